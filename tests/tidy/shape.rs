//! The shape of files: length, header, leftovers, names of migrations, and where SQL may be.

use crate::{Fault, Source};
use syn::visit::Visit;

const FILE_LINES: usize = 400;
const SCRIPT_LINES: usize = 125;
const FUNCTION_LINES: usize = 70;
const LINE_CHARACTERS: usize = 100;

pub(crate) fn check_rust(source: &Source) -> Vec<Fault> {
    let mut faults = lengths(source, FILE_LINES);
    if !source.text.starts_with("//!") {
        let what = "has no header. Begin with `//!`: what it is, and who calls it.";
        faults.push(Fault::new(source, 1, what));
    }
    let starts = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().take(6).collect();
        let known = ["pub", "async", "const", "pub(crate)", "pub(super)"];
        let plain = words.iter().take_while(|word| known.contains(word)).count();
        words.get(plain) == Some(&"fn") && line.trim_end().ends_with(['{', '(', '>'])
    };
    faults.extend(functions(source, starts, "}"));
    faults
}

pub(crate) fn check_lua(source: &Source) -> Vec<Fault> {
    let mut faults = lengths(source, SCRIPT_LINES);
    if !source.text.starts_with("-- ") {
        let what = "has no header. Begin with `--` and one sentence of purpose.";
        faults.push(Fault::new(source, 1, what));
    }
    let starts = |line: &str| {
        let function = line.contains(" function ") || line.contains("= function(");
        function && !line.trim_end().ends_with("end")
    };
    faults.extend(functions(source, starts, "end"));
    faults
}

fn lengths(source: &Source, lines_max: usize) -> Vec<Fault> {
    let mut faults = Vec::new();
    let lines = source.text.lines().count();
    if lines > lines_max {
        let what = format!("has {lines} lines of {lines_max}. Split it by noun.");
        faults.push(Fault::new(source, lines_max + 1, what));
    }
    for (number, line) in source.text.lines().enumerate() {
        let length = line.chars().count();
        if length > LINE_CHARACTERS {
            let what = format!("has {length} characters of {LINE_CHARACTERS}. Break the line.");
            faults.push(Fault::new(source, number + 1, what));
        }
    }
    faults
}

/// Functions end at the first `end` with the indentation of their first line: the form that rustfmt
/// gives to Rust, and that Lua is written in here.
fn functions(source: &Source, starts: impl Fn(&str) -> bool, end: &str) -> Vec<Fault> {
    let lines: Vec<&str> = source.text.lines().collect();
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let mut faults = Vec::new();
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| starts(line)) {
        let last = lines[number..].iter().position(|other| {
            indentation(other) == indentation(line) && other.trim_start().starts_with(end)
        });
        let length = last.map_or(lines.len() - number, |last| last + 1);
        if length > FUNCTION_LINES {
            let what = format!("a function of {length} lines, at most {FUNCTION_LINES}. Split it.");
            faults.push(Fault::new(source, number + 1, what));
        }
    }
    faults
}

/// Words are put together here, so that this file does not find itself.
pub(crate) fn check_leftovers(source: &Source) -> Vec<Fault> {
    let words = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("dbg", "!("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("#[ig", "nore"),
    ];
    let mut faults = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        // A test that another one starts as a process of its own, or one that takes too long.
        let has_a_runner =
            line.contains("= \"is a part of") || line.contains("= \"slow: make chaos\"");
        for word in words.iter().filter(|word| line.contains(**word) && !has_a_runner) {
            let what = format!("{word} is left. Do it now, or write an issue and take it out.");
            faults.push(Fault::new(source, number + 1, what));
        }
    }
    faults
}

pub(crate) fn check_sql(source: &Source) -> Vec<Fault> {
    let of_tests = source.path.ends_with("/tests.rs") || source.path.contains("/tests/");
    let of_breaker = source.path.starts_with("crates/chaos/");
    if source.path.starts_with("src/store/") || of_breaker || of_tests {
        return vec![];
    }
    let mut texts = Texts::default();
    if let Ok(tree) = syn::parse_file(&source.text) {
        texts.visit_file(&tree);
    }
    let mut faults = Vec::new();
    for text in texts.0 {
        let plain = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let has = |first: &str, then: &str| plain.starts_with(first) && plain.contains(then);
        let sql = has("select ", " from ")
            || has("insert into ", "(")
            || has("update ", " set ")
            || has("delete from ", "");
        if sql {
            let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            let what = "SQL outside src/store. Make it a function of the store.";
            faults.push(Fault::at(source, first.trim(), what));
        }
    }
    faults
}

/// The string literals of a file, without documentation.
#[derive(Default)]
pub(crate) struct Texts(pub(crate) Vec<String>);

impl<'ast> Visit<'ast> for Texts {
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.0.push(text.value());
    }

    /// Arguments by comma, as `format!` and its relatives take them; others have no SQL in them.
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        type Arguments = syn::punctuated::Punctuated<syn::Expr, syn::Token![,]>;
        if let Ok(arguments) = item.parse_body_with(Arguments::parse_terminated) {
            arguments.iter().for_each(|argument| self.visit_expr(argument));
        }
    }
}

/// The migration tool skips a name that does not fit without a word.
pub(crate) fn check_migrations(names: &[String]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut numbers = Vec::new();
    for name in names {
        let parts = name.strip_suffix(".sql").and_then(|name| name.split_once("__"));
        let number = parts.and_then(|(version, rest)| {
            let word = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let digits = version.strip_prefix('V')?;
            if word && !digits.starts_with('0') { digits.parse::<usize>().ok() } else { None }
        });
        let source = Source { path: format!("migrations/{name}"), text: String::new() };
        match number {
            Some(number) => numbers.push((number, source)),
            None => {
                let what = "would be skipped. Call it V<number>__<name>.sql, without zeros first.";
                faults.push(Fault::new(&source, 1, what));
            }
        }
    }
    numbers.sort_by_key(|(number, _)| *number);
    for (place, (number, source)) in numbers.iter().enumerate() {
        if *number != place + 1 {
            let what = format!("number {number} comes where {} belongs. Renumber it.", place + 1);
            faults.push(Fault::new(source, 1, what));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rust(text: &str) -> Vec<String> {
        let faults = check_rust(&Source::sample("src/a.rs", text));
        faults.iter().map(Fault::to_string).collect()
    }

    #[test]
    fn a_long_file_function_or_line_and_a_missing_header_are_found() {
        assert_eq!(rust("//! A file.\n"), Vec::<String>::new());
        assert_eq!(rust("fn f() {}\n").len(), 1, "no header");
        assert_eq!(rust(&format!("//! A file.\n// {}\n", "é".repeat(98))).len(), 1, "a long line");
        assert_eq!(rust(&format!("//! A file.\n{}", "\n".repeat(400))).len(), 1, "a long file");
        let body = "        work();\n".repeat(70);
        let long =
            format!("//! A file.\nimpl A {{\n    pub async fn f(\n    ) {{\n{body}    }}\n}}\n");
        let found = rust(&long);
        assert!(found[0].starts_with("src/a.rs:3: a function of 73 lines"), "{found:?}");
    }

    #[test]
    fn a_long_script_or_function_in_lua_is_found() {
        let sample = |text: String| check_lua(&Source::sample("lua/a.lua", &text)).len();
        assert_eq!(sample(format!("-- Purpose.\n{}", "\n".repeat(124))), 0);
        assert_eq!(sample(format!("-- Purpose.\n{}", "\n".repeat(125))), 1);
        let body = "  work()\n".repeat(70);
        assert_eq!(sample(format!("-- Purpose.\nlocal function f()\n{body}end\n")), 1);
    }

    #[test]
    fn leftovers_are_found() {
        let count = |text: &str| check_leftovers(&Source::sample("src/a.rs", text)).len();
        for left in [concat!("// TO", "DO later"), concat!("    dbg", "!(x);")] {
            assert_eq!(count(left), 1, "{left}");
        }
        assert_eq!(count(concat!("#[ig", "nore = \"too slow\"]")), 1);
        assert_eq!(count(concat!("#[ig", "nore = \"is a part of the next test\"]")), 0);
        assert_eq!(count(concat!("#[ig", "nore = \"slow: make chaos\"]")), 0);
    }

    #[test]
    fn sql_outside_the_store_is_found_in_constants_and_macros() {
        let sql = "const A: &str = \"\n    select id from accounts\";\n";
        let made = "fn f() { format!(\"delete from sites where {x}\"); }";
        let words = "/// select a seat from the map\nfn f() { g(\"Update the page.\") }";
        let count = |path: &str, text: &str| check_sql(&Source::sample(path, text)).len();
        assert_eq!(count("src/api/a.rs", sql), 1);
        assert_eq!(count("src/store/a.rs", sql), 0);
        assert_eq!(count("src/workers/a.rs", made), 1);
        assert_eq!(count("src/api/a.rs", words), 0);
    }

    #[test]
    fn a_migration_that_would_be_skipped_or_leaves_a_gap_is_found() {
        let check = |names: &[&str]| {
            check_migrations(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).len()
        };
        assert_eq!(check(&["V1__one.sql", "V2__two_words.sql"]), 0);
        assert_eq!(check(&["V1__one.sql", "V3__three.sql"]), 1);
        assert_eq!(check(&["V1__one.sql", "V1__again.sql"]), 1);
        assert_eq!(check(&["V1_one.sql"]), 1);
        assert_eq!(check(&["V01__one.sql"]), 1);
        assert_eq!(check(&["V1__with-dash.sql"]), 1);
    }
}
