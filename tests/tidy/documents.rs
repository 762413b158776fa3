//! Settings, error codes and metrics are in the documentation, and it has no others.

use crate::{Fault, Source};
use grandstand::api::error::ErrorCode;
use std::collections::BTreeSet;

/// First cells of table rows in back quotes: `| `NAME` | …`.
fn rows(document: &Source, is_one: fn(&str) -> bool) -> BTreeSet<String> {
    let cell = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    document.text.lines().filter_map(cell).filter(|name| is_one(name)).collect()
}

fn capitals(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    text.len() > 2 && text.bytes().all(known) && text.as_bytes()[0] != b'_'
}

/// Words that begin with `prefix` and are followed by a quote.
fn quoted<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    let opening = format!("\"{prefix}");
    let starts: Vec<usize> = text.match_indices(&opening).map(|(at, _)| at + 1).collect();
    starts.into_iter().filter_map(move |at| text[at..].split_once('"').map(|(word, _)| word))
}

fn compare(
    said: &BTreeSet<String>,
    done: &[(&Source, String)],
    document: &Source,
    kind: &str,
) -> Vec<Fault> {
    let known: BTreeSet<String> = done.iter().map(|(_, name)| name.clone()).collect();
    let extra = said.difference(&known).map(|name| {
        let what = format!("the {kind} {name} does not exist. Take the row out.");
        Fault::at(document, &format!("`{name}`"), what)
    });
    let missing = done.iter().filter(|(_, name)| !said.contains(name)).map(|(source, name)| {
        let what = format!("the {kind} {name} has no row in {}. Add one.", document.path);
        Fault::at(source, &format!("\"{name}"), what)
    });
    missing.chain(extra).collect()
}

/// Every setting read from the environment is a row of a table.
pub(crate) fn check_settings(code: &[Source], document: &Source) -> Vec<Fault> {
    let mut done = Vec::new();
    for source in code {
        let words = quoted(&source.text, "GRANDSTAND_").filter(|word| capitals(word));
        done.extend(words.map(|word| (source, word.to_owned())));
    }
    let said = rows(document, |name| name.starts_with("GRANDSTAND_"));
    compare(&said, &done, document, "setting")
}

/// Every variable that compose.yaml sets is a setting of the table, or the file of a secret one.
/// The value of a secret is never in the environment.
pub(crate) fn check_compose(compose: &Source, document: &Source) -> Vec<Fault> {
    const SECRETS: [&str; 4] = ["SECRET", "PASSWORD", "DATABASE_URL", "REDIS_URL"];
    let known = rows(document, |name| name.starts_with("GRANDSTAND_"));
    let mut faults = Vec::new();
    for line in compose.text.lines() {
        let Some((name, _)) = line.trim().split_once(':') else { continue };
        if !name.starts_with("GRANDSTAND_") || !capitals(name) {
            continue;
        }
        let of_file = name.strip_suffix("_FILE");
        if !known.contains(name) && !of_file.is_some_and(|name| known.contains(name)) {
            faults.push(Fault::at(compose, name, format!("there is no setting {name}.")));
        }
        let is_secret =
            SECRETS.iter().any(|word| name.contains(word)) || name.ends_with("SMTP_URL");
        if is_secret && of_file.is_none() {
            let what = format!("{name} is a secret. Use {name}_FILE.");
            faults.push(Fault::at(compose, name, what));
        }
    }
    faults
}

/// Every metric that is recorded is a row of a table.
pub(crate) fn check_metrics(code: &[Source], document: &Source) -> Vec<Fault> {
    let mut done = Vec::new();
    for source in code {
        for kind in ["metrics::counter!(", "metrics::gauge!(", "metrics::histogram!("] {
            for rest in source.text.split(kind).skip(1) {
                let name = rest.split('"').nth(1).unwrap_or_default();
                done.push((source, name.to_owned()));
            }
        }
    }
    compare(&rows(document, |name| name.starts_with("grandstand_")), &done, document, "metric")
}

/// Every line of the log that the rows of a table quote is written by the code, so that a search
/// for it finds something.
pub(crate) fn check_log_lines(code: &[Source], document: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    for row in document.text.lines().filter(|line| line.starts_with("| ")) {
        let cell = row.trim_start_matches("| ").split(" | ").next().unwrap_or_default();
        let Some((_, said)) = cell.split_once("log: ") else { continue };
        for text in said.split('"').skip(1).step_by(2) {
            if !code.iter().any(|source| source.text.contains(text)) {
                let what = format!("no line of the log says {text:?}. Quote it as it is now.");
                faults.push(Fault::at(document, text, what));
            }
        }
    }
    faults
}

/// Every test that the rows of a table name is there: `file::beginning…`, `file::*`, or a further
/// `…part…` of the same file.
pub(crate) fn check_tests(code: &[Source], document: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    for row in document.text.lines().filter(|line| line.starts_with("| ")) {
        let mut file = "";
        let names = row.split('`').skip(1).step_by(2);
        for name in names.filter(|name| name.ends_with(['…', '*'])) {
            let test = match name.split_once("::") {
                Some((own, test)) => {
                    file = own;
                    test
                }
                None if name.starts_with('…') && !file.is_empty() => name,
                None => continue,
            };
            let source = code.iter().find(|it| it.path.ends_with(&format!("/{file}.rs")));
            let word = test.trim_matches(['…', '*']);
            let start = if test.starts_with('…') { word.into() } else { format!("fn {word}") };
            if !source.is_some_and(|source| source.text.contains(&start)) {
                let what = format!("there is no test {file}::{test}. Name it as it is now.");
                faults.push(Fault::at(document, name, what));
            }
        }
    }
    faults
}

/// Every code that a problem document can have is a row of a table, with its status and when it is
/// sent, in the words of the code.
pub(crate) fn check_codes(codes: &[ErrorCode], document: &Source) -> Vec<Fault> {
    let row =
        |code: &ErrorCode| format!("| `{code}` | {} | {} |", code.status().as_u16(), code.when());
    let wanted: Vec<String> = codes.iter().map(row).collect();
    let is_row = |line: &&str| {
        let cell = line.strip_prefix("| `").and_then(|rest| rest.split_once('`'));
        cell.is_some_and(|(name, _)| capitals(name))
    };
    let said: Vec<&str> = document.text.lines().filter(is_row).collect();
    let missing = wanted.iter().filter(|row| !said.iter().any(|line| line.starts_with(*row)));
    let missing = missing.map(|row| Fault::new(document, 1, format!("there is no row: {row}")));
    let extra = said.iter().filter(|line| !wanted.iter().any(|row| line.starts_with(row)));
    let extra = extra.map(|line| Fault::at(document, line, "no code is like this row."));
    missing.chain(extra).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Check = fn(&[Source], &Source) -> Vec<Fault>;

    fn count(check: Check, code: &str, document: &str) -> usize {
        check(&[Source::sample("src/a.rs", code)], &Source::sample("docs/A.md", document)).len()
    }

    #[test]
    fn a_setting_without_a_row_or_a_row_without_a_setting_is_found() {
        let code = "#[arg(env = \"GRANDSTAND_LISTEN\")] fn f() { bail!(\"GRANDSTAND_X is bad\") }";
        assert_eq!(count(check_settings, code, "| `GRANDSTAND_LISTEN` | x |"), 0);
        assert_eq!(count(check_settings, code, "GRANDSTAND_LISTEN in a sentence"), 1);
        let more = "| `GRANDSTAND_LISTEN` | x |\n| `GRANDSTAND_SPEED` | x |";
        assert_eq!(count(check_settings, code, more), 1);
    }

    #[test]
    fn a_code_without_a_row_or_a_row_without_a_code_is_found() {
        let count = |rows: &str| {
            check_codes(&[ErrorCode::SoldOut], &Source::sample("docs/A.md", rows)).len()
        };
        let row = format!("| `SOLD_OUT` | 409 | {} | wishes less |", ErrorCode::SoldOut.when());
        assert_eq!(count(&row), 0);
        assert_eq!(count(""), 1);
        assert_eq!(count(&format!("{row}\n| `MORE` | 409 | It is more. |")), 1);
        assert_eq!(count(&row.replace("409", "410")), 2, "another status");
        assert_eq!(count("| `SOLD_OUT` | 409 | At times. | wishes less |"), 2, "other words");
    }

    #[test]
    fn a_secret_in_the_environment_and_an_unknown_variable_are_found() {
        let document = Source::sample(
            "docs/A.md",
            "| `GRANDSTAND_JWT_SECRET` | x |\n| `GRANDSTAND_LISTEN` | x |",
        );
        let count =
            |line: &str| check_compose(&Source::sample("compose.yaml", line), &document).len();
        assert_eq!(count("  GRANDSTAND_JWT_SECRET_FILE: /run/secrets/jwt"), 0);
        assert_eq!(count("  GRANDSTAND_LISTEN: 0.0.0.0:8080"), 0);
        assert_eq!(count("  GRANDSTAND_JWT_SECRET: hello"), 1);
        assert_eq!(count("  GRANDSTAND_LISTENS:"), 1);
    }

    #[test]
    fn a_line_of_the_log_that_nobody_writes_is_found() {
        let code = "fn f() { tracing::warn!(%payment, \"money is back\") }";
        let found = |row| count(check_log_lines, code, row);
        assert_eq!(found("| 503, log: \"money is back\" | \"any\" | nothing |"), 0);
        assert_eq!(found("| log: \"money is back\", \"money is gone\" | any | nothing |"), 1);
    }

    #[test]
    fn a_row_with_a_test_that_is_not_there_is_found() {
        let found = |row: &str| {
            let code = [Source::sample("tests/it/clock.rs", "fn a_jump_ends_nothing() {}")];
            check_tests(&code, &Source::sample("docs/A.md", row)).len()
        };
        assert_eq!(found("| a jump | `clock::a_jump…`, `…a_jump_ends…` |"), 0);
        assert_eq!(found("| a jump | `clock::*`, and not `clock::Jump` |"), 0);
        assert_eq!(found("| a jump | `clock::a_fall…`, `…a_rise…` |"), 2);
        assert_eq!(found("| a jump | `clocks::*` |"), 1);
        assert_eq!(found("no row: `clocks::*`"), 0);
    }

    #[test]
    fn a_metric_without_a_row_is_found() {
        let code = "fn f() { metrics::counter!(\n\"grandstand_sold_total\").increment(1) }";
        assert_eq!(count(check_metrics, code, "| `grandstand_sold_total` |"), 0);
        assert_eq!(count(check_metrics, code, ""), 1);
        assert_eq!(count(check_metrics, "", "| `grandstand_sold_total` |"), 1);
    }
}
