//! The house rules that a machine can check (docs/STYLE.md), as tests. Each rule is a function from
//! text to faults, and is shown a bad sample as well: a rule that can't fail proves nothing.

mod documents;
mod imports;
mod language;
mod lua;
mod shape;
mod siblings;

use grandstand::api::error::ErrorCode;
use std::fmt;
use std::path::{Path, PathBuf};

/// One file of the repository.
pub(crate) struct Source {
    /// From the top of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// What is wrong, where, and what to do.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fault {
    path: String,
    line: usize,
    what: String,
}

impl Fault {
    pub(crate) fn new(source: &Source, line: usize, what: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line, what: what.into() }
    }

    /// At the first line that has `text`.
    pub(crate) fn at(source: &Source, text: &str, what: impl Into<String>) -> Self {
        let line = source.text.lines().position(|line| line.contains(text));
        Self::new(source, line.map_or(1, |line| line + 1), what)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line, self.what)
    }
}

impl Source {
    /// A made-up file, for bad samples.
    #[cfg(test)]
    pub(crate) fn sample(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// One file; empty when it is not there.
pub(crate) fn read(path: &str) -> Source {
    let text = std::fs::read_to_string(root().join(path)).unwrap_or_default();
    Source { path: path.to_owned(), text }
}

/// All files below some folders with one of the endings, in order of their paths.
pub(crate) fn files(folders: &[&str], endings: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut found);
    }
    found.sort();
    let fits = |path: &PathBuf| {
        path.extension().is_some_and(|ending| endings.iter().any(|known| *known == ending))
    };
    let name = |path: &Path| {
        let parts = path.components().skip(root().components().count());
        let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
        parts.join("/")
    };
    found.iter().filter(|path| fits(path)).map(|path| read(&name(path))).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn none(mut faults: Vec<Fault>) {
    faults.sort();
    let lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n{} faults\n", lines.join("\n"), lines.len());
}

fn rust() -> Vec<Source> {
    files(&["src", "crates", "tests", "benches"], &["rs"])
}

/// The documents, those beside the code too.
fn documents() -> Vec<Source> {
    let mut all = files(&["docs", "lua"], &["md"]);
    all.extend(["README.md", "CHANGELOG.md", "web/README.md"].map(read));
    all
}

/// Everything that people read.
fn written() -> Vec<Source> {
    let mut all = rust();
    all.extend(files(&["lua", "tests"], &["lua", "c", "mjs", "toml"]));
    all.extend(files(&["features", "web/src", "web/tests"], &["feature", "ts", "tsx", "css"]));
    let scripts = [
        "bench",
        "mutants",
        "setup",
        "setup_test",
        "stage",
        "web_test",
        "commits",
        "commits_test",
        "secrets",
        "postgres-roles",
        "redis-cluster",
        "deploy_test",
        "scale",
        "capacity",
    ];
    all.extend(scripts.map(|name| read(&format!("scripts/{name}"))));
    all.extend(files(&["docs/deploy"], &["yaml", "yml", "conf"]));
    all.extend(["Makefile", "Cargo.toml", "Dockerfile", "compose.yaml", ".ci/run"].map(read));
    all.extend(documents());
    all
}

fn each(sources: &[Source], check: fn(&Source) -> Vec<Fault>) -> Vec<Fault> {
    sources.iter().flat_map(check).collect()
}

#[test]
fn every_module_imports_only_what_its_layer_may() {
    none(each(&files(&["src", "crates"], &["rs"]), imports::check));
}

#[test]
fn files_of_a_folder_do_not_import_each_other_in_a_circle() {
    none(siblings::check(&files(&["src", "crates"], &["rs"])));
}

#[test]
fn what_people_read_is_plain_english() {
    none(each(&written(), language::check_phrases));
}

#[test]
fn names_say_what_they_name() {
    let mut faults = each(&rust(), language::check_names);
    faults.extend(each(&files(&["src", "crates"], &["rs"]), language::check_durations));
    none(faults);
}

#[test]
fn lines_of_documents_are_short() {
    none(each(&documents(), language::check_markdown));
}

#[test]
fn files_functions_and_lines_are_short_and_files_say_what_they_are() {
    let mut faults = each(&rust(), shape::check_rust);
    faults.extend(each(&files(&["lua"], &["lua"]), shape::check_lua));
    none(faults);
}

#[test]
fn nothing_is_left_half_done() {
    let mut all = rust();
    all.extend(files(&["lua", "migrations"], &["lua", "sql"]));
    none(each(&all, shape::check_leftovers));
}

#[test]
fn sql_is_in_the_store_only() {
    none(each(&files(&["src", "crates"], &["rs"]), shape::check_sql));
}

#[test]
fn headers_of_scripts_name_all_keys_and_arguments_and_nothing_else() {
    let library = files(&["lua/lib", "lua/seat"], &["lua"]);
    let scripts = lua::top_level(files(&["lua"], &["lua"]));
    let faults = scripts.iter().flat_map(|script| lua::check_header(script, &library));
    none(faults.collect());
}

#[test]
fn headers_of_scripts_name_all_replies_and_nothing_else() {
    let library = files(&["lua/lib"], &["lua"]);
    let scripts = lua::top_level(files(&["lua"], &["lua"]));
    let mut faults: Vec<Fault> =
        scripts.iter().flat_map(|script| lua::check_replies(script, &library)).collect();
    let commands = files(&["lua/seat"], &["lua"]);
    faults.extend(commands.iter().flat_map(|file| lua::check_command_replies(file, &library)));
    none(faults);
}

#[test]
fn scripts_have_no_global_variables() {
    none(each(&files(&["lua"], &["lua"]), lua::check_globals));
}

#[test]
fn every_script_has_exactly_one_caller() {
    none(lua::check_callers(&files(&["lua"], &["lua"]), &read("src/engine/scripts.rs")));
}

#[test]
fn migrations_are_numbered_without_gaps_and_all_embedded() {
    let names: Vec<String> = files(&["migrations"], &["sql", "rs"])
        .iter()
        .map(|source| source.path.trim_start_matches("migrations/").to_owned())
        .collect();
    none(shape::check_migrations(&names));
    let store = read("src/store/mod.rs");
    assert!(store.text.contains("embed_migrations!(\"migrations\")"), "who embeds them now?");
}

#[test]
fn every_setting_is_documented_and_nothing_else() {
    let code = files(&["src", "crates"], &["rs"]);
    let document = read("docs/OPERATIONS.md");
    none(documents::check_settings(&code, &document));
    none(documents::check_compose(&read("compose.yaml"), &document));
}

#[test]
fn every_error_code_is_documented_and_nothing_else() {
    none(documents::check_codes(ErrorCode::ALL, &read("docs/API.md")));
}

#[test]
fn every_metric_is_documented_and_nothing_else() {
    none(documents::check_metrics(&files(&["src"], &["rs"]), &read("docs/OPERATIONS.md")));
}

#[test]
fn every_line_of_the_log_in_the_documents_is_written() {
    none(documents::check_log_lines(&files(&["src"], &["rs"]), &read("docs/OPERATIONS.md")));
}

#[test]
fn every_test_in_the_documents_exists() {
    let code = files(&["tests/it"], &["rs"]);
    for document in documents() {
        none(documents::check_tests(&code, &document));
    }
}

/// The features run their own `main`: with the harness of `cargo test` they would compile, run
/// nothing, and be green.
#[test]
fn the_features_are_run_and_not_only_compiled() {
    let manifest: toml::Table = read("Cargo.toml").text.parse().expect("a manifest");
    let is_cucumber = |test: &&toml::Value| test["name"].as_str() == Some("cucumber");
    let tests = manifest["test"].as_array().expect("targets");
    let cucumber = tests.iter().find(is_cucumber).expect("a target `cucumber`");
    assert_eq!(cucumber["harness"].as_bool(), Some(false), "add `harness = false`");
}
