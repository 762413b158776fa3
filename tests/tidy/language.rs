//! Plain English (docs/STYLE.md): phrases that a reader has to decode, in comments, documents, log
//! lines and messages; names that say nothing; and lines of documents that are too long.

use crate::{Fault, Source};
use syn::visit::Visit;

const MARKDOWN_CHARACTERS: usize = 120;

/// The rule itself, and text that quotes the phrases or is generated from text that is checked.
const EXCEPTIONS: &[&str] = &["tests/tidy/language.rs", "docs/STYLE.md", "web/src/api/schema.ts"];

/// A phrase that is refused.
struct Phrase {
    words: &'static str,
    /// The phrase is fine in front of one of these words.
    unless_before: &'static [&'static str],
    instead: &'static str,
}

const fn phrase(words: &'static str, instead: &'static str) -> Phrase {
    Phrase { words, unless_before: &[], instead }
}

const NAME_THE_TIME: &str = "Name the time: \"this timeout\", \"at most 2 s\".";
const RETURNS: &str = "A function returns; a server sends a response.";

const PHRASES: &[Phrase] = &[
    Phrase { words: "so long", unless_before: &["as", "that"], instead: NAME_THE_TIME },
    Phrase { words: "so often", unless_before: &["as", "that"], instead: NAME_THE_TIME },
    phrase("anew", "Write \"again\" or \"from the start\"."),
    phrase("whoever", "Name the caller, the reader, the buyer."),
    phrase("what is told", "Name it: the changes, the frames."),
    phrase("answers the", RETURNS),
    phrase("answers with", RETURNS),
    phrase("answers what", RETURNS),
    phrase("answers whether", RETURNS),
    phrase("answers its", RETURNS),
    phrase("answers a", RETURNS),
    phrase("answers an", RETURNS),
    phrase("; answers ", RETURNS),
];

/// In scenarios, people have names, and "he" is one of them.
const OF_A_USER: &[Phrase] = &[
    phrase("he", "A user is \"the user\" or \"they\"."),
    phrase("his", "Write \"the user's\" or \"their\"."),
    phrase("him", "A user is \"the user\" or \"them\"."),
];

/// The marks that begin a line of a comment, of any language.
const MARKS: [char; 7] = ['/', '!', '-', '#', '*', ' ', '>'];

pub(crate) fn check_phrases(source: &Source) -> Vec<Fault> {
    if EXCEPTIONS.contains(&source.path.as_str()) {
        return vec![];
    }
    let with_people = ["features/", "tests/steps/"];
    let with_people = with_people.iter().any(|folder| source.path.starts_with(folder));
    let of_a_user = if with_people { &[] } else { OF_A_USER };
    let lines: Vec<&str> = source.text.lines().collect();
    let mut faults = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let plain = line.trim_start().trim_start_matches(MARKS);
        // A phrase may go on in the next line.
        let next = lines.get(number + 1).map_or("", |next| next.trim().trim_start_matches(MARKS));
        let text = format!("{plain} {next}").to_lowercase();
        for phrase in PHRASES.iter().chain(of_a_user) {
            if has(&text, plain.len(), phrase) {
                let what = format!("\"{}\" is not plain. {}", phrase.words, phrase.instead);
                faults.push(Fault::new(source, number + 1, what));
            }
        }
        let is_comment = line.trim_start() != plain;
        if is_comment && plain.starts_with("Answers") {
            let what = format!("\"Answers\" begins the line. {RETURNS}");
            faults.push(Fault::new(source, number + 1, what));
        }
    }
    faults
}

/// The phrase is in the text, as whole words, and begins before `end`.
fn has(text: &str, end: usize, phrase: &Phrase) -> bool {
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(phrase.words).any(|(at, words)| {
        let behind = &text[at + words.len()..];
        let is_part = text[..at].ends_with(is_letter) && words.starts_with(is_letter)
            || behind.starts_with(is_letter) && words.ends_with(is_letter);
        let next = behind.trim_start().split(|letter| !is_letter(letter)).next();
        let is_fine = next.is_some_and(|next| phrase.unless_before.contains(&next));
        at < end && !is_part && !is_fine
    })
}

/// A variable or parameter that is called `one`.
pub(crate) fn check_names(source: &Source) -> Vec<Fault> {
    let mut names = Names::default();
    if let Ok(tree) = syn::parse_file(&source.text) {
        names.visit_file(&tree);
    }
    if names.0 == 0 {
        return vec![];
    }
    let what = format!("`one` is no name ({} times). Use the noun: `seat`, `row`.", names.0);
    let first = ["|one|", "one.", "(one"].into_iter().find(|text| source.text.contains(text));
    vec![Fault::at(source, first.unwrap_or("one"), what)]
}

/// How many times the name `one` is in the code.
#[derive(Default)]
struct Names(usize);

impl<'ast> Visit<'ast> for Names {
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_ident(&mut self, name: &'ast syn::Ident) {
        self.0 += usize::from(name == "one");
    }

    /// What is inside a macro is not parsed: its words count, but not those in quotes.
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let text = item.tokens.to_string().replace("\\\"", "");
        for code in text.split('"').step_by(2) {
            let words = code.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            self.0 += words.filter(|word| *word == "one").count();
        }
    }
}

/// A row of a table is one line, so it may be as long as it must be.
pub(crate) fn check_markdown(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        let length = line.chars().count();
        if length > MARKDOWN_CHARACTERS && !line.trim_start().starts_with('|') {
            let what = format!("has {length} characters of {MARKDOWN_CHARACTERS}. Wrap the line.");
            faults.push(Fault::new(source, number + 1, what));
        }
    }
    faults
}

/// What the name of a constant of type `Duration` ends in.
const TIMES: &[&str] = &[
    "_TIMEOUT",
    "_INTERVAL",
    "_PAUSE",
    "_TTL",
    "_AGE",
    "_WINDOW",
    "_PERIOD",
    "_COST",
    "_MAX",
    "_MIN",
];

pub(crate) fn check_durations(source: &Source) -> Vec<Fault> {
    let name = |line: &str| {
        let (_, rest) = line.split_once("const ")?;
        let (name, kind) = rest.split_once(": ")?;
        let is_time = kind.starts_with("Duration =") || kind.starts_with("std::time::Duration =");
        let is_plain = TIMES.iter().any(|end| name.ends_with(end));
        (is_time && !is_plain).then(|| name.to_owned())
    };
    let lines = source.text.lines().enumerate();
    let found = lines.filter_map(|(number, line)| Some((number, name(line)?)));
    let fault = |(number, name)| {
        let what = format!("{name} is a time. End the name in one of {}.", TIMES.join(", "));
        Fault::new(source, number + 1, what)
    };
    found.map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Check = fn(&Source) -> Vec<Fault>;

    fn count(check: Check, path: &str, text: &str) -> usize {
        check(&Source::sample(path, text)).len()
    }

    #[test]
    fn a_phrase_that_must_be_decoded_is_found() {
        for text in [
            "/// It waits for so long.",
            "/// It waits for so\n/// long and not longer.",
            "-- Looks so often.",
            "The map starts anew.",
            "error!(\"whoever asked is gone\");",
            "/// Answers the id.",
            "/// Makes a match; answers its id.",
            "# What is told to browsers.",
            "/// The user and his seats.",
        ] {
            assert_ne!(count(check_phrases, "src/a.rs", text), 0, "{text}");
        }
    }

    #[test]
    fn plain_text_is_no_fault() {
        for text in [
            "/// It waits as long as the socket is open, and so long as anybody reads.",
            "/// A name so long that it is cut.",
            "let late = answers.len() > 1; answers.sort();",
            "/// The answers of the gateway, each with this header.",
        ] {
            assert_eq!(count(check_phrases, "src/a.rs", text), 0, "{text}");
        }
        assert_eq!(count(check_phrases, "features/a.feature", "When Jun looks up his holds"), 0);
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        assert_eq!(count(check_names, "src/a.rs", "fn f() { seats.map(|one| one.id) }"), 1);
        assert_eq!(count(check_names, "src/a.rs", "fn f() { assert!(all(|one| one)) }"), 1);
        assert_eq!(count(check_names, "src/a.rs", "/// The one.\nfn f() { g(\"no one.\") }"), 0);
        assert_eq!(count(check_names, "src/a.rs", "fn f() { panic!(\"this one\") }"), 0);
    }

    #[test]
    fn a_long_line_of_a_document_is_found_unless_it_is_a_row() {
        let long = "word ".repeat(25);
        assert_eq!(count(check_markdown, "docs/a.md", &long), 1);
        assert_eq!(count(check_markdown, "docs/a.md", &format!("| {long} |")), 0);
    }

    #[test]
    fn a_time_without_a_noun_is_found() {
        let constant = |name: &str| format!("const {name}: Duration = Duration::from_secs(1);");
        assert_eq!(count(check_durations, "src/a.rs", &constant("PATIENCE")), 1);
        assert_eq!(count(check_durations, "src/a.rs", &constant("LOCK_TIMEOUT")), 0);
        assert_eq!(count(check_durations, "src/a.rs", "const SEATS_MAX: usize = 1;"), 0);
    }
}
