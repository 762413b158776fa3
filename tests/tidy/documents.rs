//! Settings, error codes and metrics are in the documentation, and it has no others.

use crate::{Fault, Source};
use std::collections::BTreeSet;
use syn::visit::Visit;

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

/// Every code that a problem document can have is a row of a table.
pub(crate) fn check_codes(code: &[Source], document: &Source) -> Vec<Fault> {
    let mut done = Vec::new();
    for source in code {
        let mut codes = Codes::default();
        if let Ok(tree) = syn::parse_file(&source.text) {
            codes.visit_file(&tree);
        }
        done.extend(codes.0.into_iter().map(|code| (source, code)));
    }
    compare(&rows(document, capitals), &done, document, "code")
}

/// Codes: what is given to the functions that make an error, and the pairs of code and detail.
#[derive(Default)]
struct Codes(BTreeSet<String>);

impl Codes {
    fn add(&mut self, value: Option<&syn::Expr>) {
        if let Some(syn::Expr::Lit(literal)) = value
            && let syn::Lit::Str(text) = &literal.lit
            && capitals(&text.value())
        {
            self.0.insert(text.value());
        }
    }
}

impl<'ast> Visit<'ast> for Codes {
    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(path) = &*call.func {
            let name = path.path.segments.last().map(|part| part.ident.to_string());
            match name.as_deref() {
                Some("conflict" | "too_many" | "unavailable") => self.add(call.args.first()),
                Some("new") => self.add(call.args.get(1)),
                _ => {}
            }
        }
        syn::visit::visit_expr_call(self, call);
    }

    fn visit_expr_tuple(&mut self, tuple: &'ast syn::ExprTuple) {
        self.add(tuple.elems.first());
        syn::visit::visit_expr_tuple(self, tuple);
    }
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
        let code = "fn f() { Self::new(StatusCode::GONE, \"GONE_AWAY\", \"It went.\"); \
            ApiError::conflict(\"BUSY\", \"Wait.\"); let x = (\"NOT_HERE\", \"Look again.\"); \
            g(\"DECLINED\"); }";
        let rows = "| `GONE_AWAY` |\n| `BUSY` |\n| `NOT_HERE` |";
        assert_eq!(count(check_codes, code, rows), 0);
        assert_eq!(count(check_codes, code, "| `GONE_AWAY` |\n| `BUSY` |"), 1);
        assert_eq!(count(check_codes, code, &format!("{rows}\n| `MORE` |")), 1);
    }

    #[test]
    fn a_metric_without_a_row_is_found() {
        let code = "fn f() { metrics::counter!(\n\"grandstand_sold_total\").increment(1) }";
        assert_eq!(count(check_metrics, code, "| `grandstand_sold_total` |"), 0);
        assert_eq!(count(check_metrics, code, ""), 1);
        assert_eq!(count(check_metrics, "", "| `grandstand_sold_total` |"), 1);
    }
}
