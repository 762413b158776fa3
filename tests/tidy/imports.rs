//! Who may import whom (docs/ARCHITECTURE.md), and which crate is named where.

use crate::{Fault, Source};
use syn::visit::Visit;

/// For each folder of `src`, the ones it may import. What is not here may import everything.
const MAY: &[(&str, &[&str])] = &[
    ("domain", &["domain"]),
    ("plan_import", &["domain", "plan_import"]),
    ("redis", &["domain", "redis", "tls"]),
    ("engine", &["domain", "redis", "engine"]),
    ("stream", &["domain", "redis", "stream"]),
    ("live", &["domain", "engine", "stream", "live"]),
    ("store", &["domain", "store", "tls"]),
    ("gateway", &["domain", "gateway"]),
    ("checkout", &["domain", "engine", "stream", "store", "gateway", "checkout", "failpoint"]),
    (
        "workers",
        &[
            "domain",
            "engine",
            "stream",
            "live::catalog",
            "store",
            "gateway",
            "checkout",
            "workers",
            "failpoint",
        ],
    ),
    (
        "api",
        &[
            "domain",
            "engine",
            "stream",
            "live",
            "store",
            "gateway",
            "checkout",
            "plan_import",
            "api",
            "config",
            "telemetry",
            "tls",
            "failpoint",
        ],
    ),
    (
        "node",
        &[
            "domain",
            "engine",
            "stream",
            "live",
            "store",
            "gateway",
            "checkout",
            "api",
            "workers",
            "config",
            "telemetry",
            "redis",
            "tls",
        ],
    ),
    // `Limits` go from the settings to the scripts as they are.
    ("config", &["domain", "engine"]),
    ("telemetry", &[]),
    ("failpoint", &[]),
    ("tls", &[]),
];

/// For a crate, the places that may name it.
const NAMED: &[(&[&str], &[&str])] = &[
    (&["fred"], &["src/redis/", "src/engine/", "src/stream/"]),
    // The breaker compares what clients saw with the tables, without the engine's own words.
    (&["tokio_postgres"], &["src/store/", "crates/chaos/"]),
    (&["tokio_postgres_rustls", "deadpool_postgres", "refinery"], &["src/store/"]),
    (&["tokio_rustls", "rustls_native_certs"], &["src/tls.rs", "src/api/"]),
    (&["csv"], &["src/plan_import/"]),
    // The tests of the gateway put a server of their own in the place of the gateway.
    (&["axum"], &["src/api/", "src/node/", "src/gateway/tests/", "crates/emulator/"]),
    (&["hyper", "hyper_util"], &["src/api/", "src/node/", "crates/emulator/"]),
];

/// Who reads the environment.
const ENVIRONMENT: &[&str] = &["src/config/", "crates/embedded/src/discover.rs"];

pub(crate) fn check(source: &Source) -> Vec<Fault> {
    let tree = match syn::parse_file(&source.text) {
        Ok(tree) => tree,
        Err(error) => return vec![Fault::new(source, 1, format!("is not Rust: {error}"))],
    };
    let mut paths = Paths::of(source);
    paths.visit_file(&tree);
    paths.found.iter().filter_map(|path| fault(source, path)).collect()
}

/// The paths of a file that begin with `crate`, without those of its tests.
pub(crate) fn of(source: &Source) -> Vec<Vec<String>> {
    let mut paths = Paths { without_tests: true, ..Paths::of(source) };
    if let Ok(tree) = syn::parse_file(&source.text) {
        paths.visit_file(&tree);
    }
    paths.found.retain(|path| path[0] == "crate");
    paths.found
}

/// The names that one `use` takes, with their paths as they are written.
pub(crate) fn names_of(item: &syn::ItemUse) -> Vec<Vec<String>> {
    let mut paths = Paths::default();
    paths.tree(&item.tree, &[]);
    paths.found
}

fn fault(source: &Source, path: &[String]) -> Option<Fault> {
    let text = path.join("::");
    let searched = if path[0] == "crate" { path.get(1)?.clone() } else { text.clone() };
    if let [.., env, read] = path
        && env == "env"
        && read.starts_with("var")
        && !ENVIRONMENT.iter().any(|place| source.path.starts_with(place))
    {
        let what = "reads the environment. Make it a setting in src/config/mod.rs and pass it on.";
        return Some(Fault::at(source, &format!("env::{read}"), what));
    }
    for (crates, places) in NAMED {
        let here = places.iter().any(|place| source.path.starts_with(place));
        if crates.contains(&path[0].as_str()) && !here {
            let what =
                format!("names {}: only {} may. Ask one of them.", path[0], places.join(", "));
            return Some(Fault::at(source, &path[0], what));
        }
    }
    // A crate of the workspace imports what its manifest names.
    if path[0] != "crate" || !source.path.starts_with("src/") {
        return None;
    }
    let folder = module_of(&source.path).first()?.clone();
    let (_, allowed) = MAY.iter().find(|(name, _)| *name == folder)?;
    let inside = path[1..].join("::");
    let may = |name: &&str| inside == *name || inside.starts_with(&format!("{name}::"));
    if path[1] == folder || allowed.iter().any(may) {
        return None;
    }
    let what = format!(
        "{folder} imports {inside}; it may import only: {}. Move the code, or pass the value in.",
        allowed.join(", ")
    );
    Some(Fault::at(source, &searched, what))
}

/// `src/a/b.rs` is module a::b, `src/a/mod.rs` is a, `src/lib.rs` is the root.
pub(crate) fn module_of(path: &str) -> Vec<String> {
    let inner = path.split_once("src/").map_or(path, |(_, inner)| inner).trim_end_matches(".rs");
    let mut parts: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        parts.pop();
    }
    parts
}

/// All paths of a file, from `crate` on where they are ours.
#[derive(Default)]
struct Paths {
    module: Vec<String>,
    /// Depth of modules called `tests`.
    in_tests: usize,
    without_tests: bool,
    found: Vec<Vec<String>>,
}

impl Paths {
    fn of(source: &Source) -> Self {
        Self { module: module_of(&source.path), ..Self::default() }
    }

    fn add(&mut self, path: Vec<String>) {
        if self.in_tests > 0 && self.without_tests {
            return;
        }
        let depth = path.iter().take_while(|part| *part == "super").count();
        let inner = match path[0].as_str() {
            "self" => [self.module.clone(), path[1..].to_vec()].concat(),
            "super" if depth <= self.module.len() => {
                let up = &self.module[..self.module.len() - depth];
                [up, &path[depth..]].concat()
            }
            _ => return self.found.push(path),
        };
        self.found.push([vec!["crate".to_owned()], inner].concat());
    }

    fn tree(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) => self.add(with(&name.ident)),
            syn::UseTree::Rename(rename) => self.add(with(&rename.ident)),
            syn::UseTree::Glob(_) => self.add(before.to_vec()),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.tree(item, before));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &[]);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let tests = usize::from(item.ident == "tests");
        self.module.push(item.ident.to_string());
        self.in_tests += tests;
        syn::visit::visit_item_mod(self, item);
        self.in_tests -= tests;
        self.module.pop();
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            self.add(path.segments.iter().map(|part| part.ident.to_string()).collect());
        }
        syn::visit::visit_path(self, path);
    }

    /// What is inside a macro is not parsed: every word with `::` in it counts as a path.
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        syn::visit::visit_macro(self, item);
        let text = item.tokens.to_string().replace(" :: ", "::");
        let other = |letter: char| !letter.is_alphanumeric() && letter != '_' && letter != ':';
        for word in text.split(other).filter(|word| word.contains("::")) {
            let parts: Vec<String> =
                word.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
            if parts.len() > 1 {
                self.add(parts);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Source::sample(path, text)).len()
    }

    #[test]
    fn a_layer_that_reaches_up_is_found_in_every_form() {
        assert_eq!(count("src/engine/a.rs", "use crate::domain::ids::SeatId;"), 0);
        assert_eq!(count("src/engine/a.rs", "use crate::api::Services;"), 1);
        assert_eq!(count("src/engine/a.rs", "use crate::{domain::x, live::{hub, feed}};"), 2);
        assert_eq!(count("src/engine/a.rs", "use super::super::store::Store;"), 1);
        assert_eq!(count("src/engine/a.rs", "fn f() { crate::workers::run() }"), 1);
        assert_eq!(count("src/engine/a.rs", "fn f() { vec![crate::workers::run()]; }"), 1);
        assert_eq!(count("src/engine/a.rs", "mod tests { use super::super::batch::Batch; }"), 0);
        assert_eq!(count("src/commands/a.rs", "use crate::api::Services;"), 0);
        assert_eq!(count("src/domain/a.rs", "mod tests { use crate::api::Services; }"), 1);
    }

    #[test]
    fn workers_see_the_catalogue_and_no_map() {
        assert_eq!(count("src/workers/a.rs", "use crate::live::catalog::Catalog;"), 0);
        assert_eq!(count("src/workers/a.rs", "use crate::live::hub::Hub;"), 1);
    }

    #[test]
    fn a_crate_named_outside_its_place_is_found() {
        assert_eq!(count("src/engine/a.rs", "use fred::prelude::*;"), 0);
        assert_eq!(count("src/api/a.rs", "use fred::prelude::*;"), 1);
        assert_eq!(count("src/live/a.rs", "fn f(_: axum::Router) {}"), 1);
        assert_eq!(count("src/workers/a.rs", "type Row = tokio_postgres::Row;"), 1);
        assert_eq!(count("crates/emulator/src/a.rs", "fn f(_: axum::Router) {}"), 0);
        assert_eq!(count("crates/load/src/a.rs", "fn f(_: axum::Router) {}"), 1);
    }

    #[test]
    fn the_environment_is_read_in_one_place() {
        let text = "fn f() { let _ = std::env::var_os(\"HOME\"); }";
        assert_eq!(count("src/store/a.rs", text), 1);
        assert_eq!(count("src/config/mod.rs", text), 0);
        assert_eq!(count("crates/load/src/a.rs", text), 1);
        assert_eq!(count("src/main.rs", "fn f() { let _ = std::env::args(); }"), 0);
    }
}
