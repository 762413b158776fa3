//! Scripts: the header says which keys, arguments and replies there are, and the code agrees
//! (lua/README.md has the form).

use crate::{Fault, Source};
use std::collections::BTreeSet;

/// Commands of the batch share one reply form; these parts of it are no reply words.
const OTHER_WORDS: &[&str] = &["code"];
/// Kinds of journal entries begin so, and stand beside the reply.
const JOURNAL_KINDS: &[&str] = &["payment_", "refund_"];

/// The scripts that Redis runs, without what they are made of.
pub(crate) fn top_level(mut all: Vec<Source>) -> Vec<Source> {
    all.retain(|source| source.path.matches('/').count() == 1);
    all
}

/// The comment at the top.
fn header(text: &str) -> String {
    text.lines().take_while(|line| line.starts_with("--")).collect::<Vec<_>>().join("\n")
}

/// The code without comments.
fn code(text: &str) -> String {
    let plain = |line: &str| line.split("--").next().unwrap_or_default().to_owned();
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}

/// Places of KEYS or ARGV: single numbers, and whether more follow without a bound.
#[derive(Debug, Default, PartialEq, Eq)]
struct Places {
    numbers: BTreeSet<usize>,
    /// `Some(first)` when all from `first` on belong to it.
    open_from: Option<usize>,
}

impl Places {
    fn has(&self, number: usize) -> bool {
        self.numbers.contains(&number) || self.open_from.is_some_and(|first| number >= first)
    }
}

/// What is between `name[` and `]`, each time.
fn indices<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let opening = format!("{name}[");
    let parts = text.split(opening.as_str()).skip(1);
    parts.filter_map(|part| part.split_once(']').map(|(inner, _)| inner.trim())).collect()
}

/// `KEYS[1]`, `KEYS[3..5]`, `KEYS[4..]`, `ARGV[..]`.
fn documented(header: &str, name: &str) -> Places {
    let mut places = Places::default();
    for inner in indices(header, name) {
        match inner.split_once("..") {
            None => places.numbers.extend(inner.parse::<usize>()),
            Some((first, "")) => places.open_from = Some(first.parse().unwrap_or(1)),
            Some((first, last)) => {
                if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) {
                    places.numbers.extend(first..=last);
                }
            }
        }
    }
    places
}

/// A computed place counts as an open end: somewhere behind the documented single ones.
fn used(code: &str, name: &str) -> Places {
    let mut places = Places::default();
    for inner in indices(code, name) {
        match inner.parse() {
            Ok(number) => drop(places.numbers.insert(number)),
            Err(_) => places.open_from = Some(usize::MAX),
        }
    }
    if code.contains(&format!("unpack({name},")) {
        places.open_from = Some(usize::MAX);
    }
    places
}

/// The batch is made of all files of `lib` and `seat`; the others only call functions of `lib`.
pub(crate) fn check_header(script: &Source, library: &[Source]) -> Vec<Fault> {
    let head = header(&script.text);
    let mut body = code(&script.text);
    if script.path.ends_with("/seat_batch.lua") {
        library.iter().for_each(|part| body.push_str(&code(&part.text)));
    }
    let mut faults = Vec::new();
    for wanted in ["-- KEYS[1]", "-- Replies: ", "-- Cost: "] {
        if !head.contains(wanted) {
            let what = format!("the header has no line `{wanted}`. Add it (lua/README.md).");
            faults.push(Fault::new(script, 1, what));
        }
    }
    for name in ["KEYS", "ARGV"] {
        let (said, done) = (documented(&head, name), used(&body, name));
        for number in done.numbers.iter().filter(|number| !said.has(**number)) {
            let place = format!("{name}[{number}]");
            let what = format!("{place} is used and not in the header. Say what it is.");
            faults.push(Fault::at(script, &place, what));
        }
        for number in said.numbers.iter().filter(|number| !done.numbers.contains(number)) {
            let place = format!("{name}[{number}]");
            let what = format!("{place} is in the header and not used. Use it or take it out.");
            faults.push(Fault::at(script, &place, what));
        }
        let behind = said.open_from.is_some_and(|first| done.numbers.range(first..).count() > 0);
        if done.open_from.is_some() && said.open_from.is_none() {
            let what = format!("{name} is read at a computed place. Say from where: {name}[n..].");
            faults.push(Fault::at(script, &format!("{name}["), what));
        }
        if said.open_from.is_some() && done.open_from.is_none() && !behind {
            let what = format!("{name}[n..] is in the header and nothing reads so far.");
            faults.push(Fault::at(script, &format!("{name}["), what));
        }
    }
    faults
}

/// Lower-case words in quotes behind the first `return` or `reply =` of each line.
fn reply_words(code: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for line in code.lines() {
        let tail = line.split_once("return ").or_else(|| line.split_once("reply = "));
        let Some((_, tail)) = tail else { continue };
        for literal in tail.split('\'').skip(1).step_by(2) {
            let word = literal.trim();
            let plain = word.len() > 2
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let other = OTHER_WORDS.contains(&word)
                || JOURNAL_KINDS.iter().any(|kind| word.starts_with(kind));
            if plain && !other {
                words.insert(word.to_owned());
            }
        }
    }
    words
}

/// The words up to a comma.
fn said_words(text: &str) -> BTreeSet<String> {
    let plain = text.split(',').next().unwrap_or_default();
    plain.split_whitespace().map(str::to_owned).collect()
}

fn compare(
    source: &Source,
    place: &str,
    said: &BTreeSet<String>,
    done: &BTreeSet<String>,
) -> Vec<Fault> {
    let missing = done.difference(said).map(|word| {
        let what = format!("returns `{word}`, which is not in the header. Add it to `{place}`.");
        Fault::at(source, &format!("'{word}"), what)
    });
    let extra = said.difference(done).map(|word| {
        let what = format!("nothing returns `{word}`. Take it out of `{place}`.");
        Fault::at(source, place, what)
    });
    missing.chain(extra).collect()
}

/// A script returns its own words, and those of the library functions whose reply it passes on.
pub(crate) fn check_replies(script: &Source, library: &[Source]) -> Vec<Fault> {
    let body = code(&script.text);
    let mut done = reply_words(&body);
    for (name, text) in library.iter().flat_map(|part| blocks(&part.text)) {
        if body.contains(&format!("= {name}(")) && body.contains("return answer") {
            done.extend(reply_words(&text));
        }
    }
    let head = header(&script.text);
    let said: BTreeSet<String> = head
        .lines()
        .filter_map(|line| line.strip_prefix("-- Replies: "))
        .flat_map(said_words)
        .collect();
    compare(script, "-- Replies:", &said, &done)
}

/// Functions of a file by name: everything from one `function` at the left edge to the next.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in code(text).lines() {
        let local = line.strip_prefix("local function ").and_then(|rest| rest.split_once('('));
        let command =
            line.strip_prefix("commands.").and_then(|rest| rest.split_once(" = function"));
        if let Some((name, _)) = local {
            found.push((name.to_owned(), String::new()));
        } else if let Some((name, _)) = command {
            found.push((format!("commands.{name}"), String::new()));
        }
        if let Some((_, body)) = found.last_mut() {
            body.push_str(line);
            body.push('\n');
        }
    }
    found
}

/// Each command has a line `-- Replies: command: words` (or several), with its own words and those
/// of the functions that it calls, in its file or in the library.
pub(crate) fn check_command_replies(source: &Source, library: &[Source]) -> Vec<Fault> {
    let commands = blocks(&source.text);
    let of_library = library.iter().flat_map(|part| blocks(&part.text));
    let blocks: Vec<(String, String)> = commands.iter().cloned().chain(of_library).collect();
    let mut faults = Vec::new();
    for (name, _) in commands.iter().filter(|(name, _)| name.starts_with("commands.")) {
        let (mut waiting, mut reached) = (vec![name.as_str()], BTreeSet::new());
        let mut done = BTreeSet::new();
        while let Some(next) = waiting.pop() {
            if !reached.insert(next) {
                continue;
            }
            let Some((_, body)) = blocks.iter().find(|(name, _)| name == next) else { continue };
            done.extend(reply_words(body));
            let called = blocks.iter().filter(|(name, _)| body.contains(&format!("{name}(")));
            waiting.extend(
                called.map(|(name, _)| name.as_str()).filter(|name| !reached.contains(name)),
            );
        }
        let place = format!("-- Replies: {}:", name.trim_start_matches("commands."));
        let header = header(&source.text);
        let lines: Vec<&str> =
            header.lines().filter_map(|line| line.strip_prefix(place.as_str())).collect();
        match lines[..] {
            [_, ..] => {
                let said = lines.iter().flat_map(|line| said_words(line)).collect();
                faults.extend(compare(source, &place, &said, &done));
            }
            [] => {
                let words: Vec<String> = done.into_iter().collect();
                let what = format!("{name} has no header `{place} {}`. Add it.", words.join(" "));
                faults.push(Fault::at(source, &format!("{name} ="), what));
            }
        }
    }
    faults
}

/// Redis refuses to make a global while it runs a script, which a test may never reach.
pub(crate) fn check_globals(source: &Source) -> Vec<Fault> {
    let body = code(&source.text);
    let is_name = |text: &str| {
        let letters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        letters && text.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
    };
    let names = |list: &str| -> Vec<String> {
        let inner = list.split([')', '=']).next().unwrap_or_default();
        let inner = inner.split(" in ").next().unwrap_or_default();
        inner.split(',').map(|name| name.trim().to_owned()).filter(|name| is_name(name)).collect()
    };
    let mut known: BTreeSet<String> = BTreeSet::new();
    for line in body.lines() {
        for opening in ["local ", "for "] {
            line.split(opening).skip(1).for_each(|rest| known.extend(names(rest)));
        }
        for rest in line.split("function").skip(1) {
            known.extend(rest.split_once('(').map(|(_, rest)| names(rest)).unwrap_or_default());
        }
    }
    let mut faults = Vec::new();
    let mut depth = 0;
    for (number, line) in body.lines().enumerate() {
        let inside_table = depth > 0;
        depth = depth + line.matches('{').count() - line.matches('}').count();
        if inside_table {
            continue;
        }
        let plain = line.trim_start();
        let function = plain.strip_prefix("function ").map(|rest| names(&rest.replace('(', "=")));
        let targets = function.or_else(|| {
            let (left, right) = plain.split_once(" = ")?;
            let all: Vec<&str> = left.split(',').map(str::trim).collect();
            let assigned = all.iter().all(|name| is_name(name)) && !right.starts_with('=');
            assigned.then(|| all.into_iter().map(str::to_owned).collect())
        });
        for name in targets.unwrap_or_default().iter().filter(|name| !known.contains(*name)) {
            let what = format!("`{name}` is a global variable. Write `local` before it.");
            faults.push(Fault::new(source, number + 1, what));
        }
    }
    faults
}

/// Each script is named once in the table of scripts, each part at least once.
pub(crate) fn check_callers(all: &[Source], table: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    for source in all {
        let name = source.path.trim_start_matches("lua/");
        let inner = name.contains('/');
        let times = table.text.matches(&format!("\"{name}\"")).count()
            + table.text.matches(&format!("/lua/{name}\"")).count();
        if times == 0 || (times > 1 && !inner) {
            let what = format!("is named {times} times in {}. Name it once there.", table.path);
            faults.push(Fault::new(source, 1, what));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "-- Does a thing.\n-- KEYS[1]  HASH  a   KEYS[2..]  STREAM  b\n\
        -- ARGV[1]  user   ARGV[2..3]  times\n-- Replies: done taken\n-- Cost: O(1)\n\
        local times = { ARGV[2], ARGV[3] }\n\
        if redis.call('GET', KEYS[1]) == ARGV[1] then return 'taken' end\n\
        for number = 2, #KEYS do redis.call('DEL', KEYS[number]) end\nreturn { 'done', #times }\n";

    fn faults(from: &str, to: &str) -> Vec<String> {
        assert!(GOOD.contains(from), "{from}");
        let script = Source::sample("lua/a.lua", &GOOD.replace(from, to));
        let mut found = check_header(&script, &[]);
        found.extend(check_replies(&script, &[]));
        found.extend(check_globals(&script));
        found.iter().map(Fault::to_string).collect()
    }

    #[test]
    fn a_header_and_its_code_that_disagree_are_found() {
        assert_eq!(faults("GET", "GET"), Vec::<String>::new());
        for (from, to) in [
            ("-- Cost: O(1)\n", ""),
            ("KEYS[2..]  STREAM  b", ""),
            ("ARGV[2..3]", "ARGV[2..4]"),
            ("ARGV[1]  user", ""),
            ("KEYS[number]", "KEYS[1]"),
            ("-- Replies: done taken", "-- Replies: done"),
            ("-- Replies: done taken", "-- Replies: done taken lost"),
            ("local times", "times"),
        ] {
            assert_eq!(faults(from, to).len(), 1, "{from} -> {to}: {:?}", faults(from, to));
        }
        let found = faults("'taken'", "'other'");
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("lua/a.lua:7: returns `other`"), "{found:?}");
    }

    #[test]
    fn a_command_also_returns_the_words_of_its_helpers() {
        let text = "-- take: takes.\n-- Replies: take: taken gone\n\
            local function find(id)\n  return nil, 'gone'\nend\n\n\
            commands.take = function(match, command)\n  local found, no = find(command.id)\n  \
            if no then return no end\n  \
            return payment_fact(command, 'taken', 'payment_begun', found)\nend\n";
        let check =
            |text: &str| check_command_replies(&Source::sample("lua/seat/a.lua", text), &[]).len();
        assert_eq!(check(text), 0);
        assert_eq!(check(&text.replace("taken gone", "taken")), 1);
        assert_eq!(check(&text.replace("taken gone", "taken gone late")), 1);
        assert_eq!(check(&text.replace("-- Replies: take: taken gone\n", "")), 1);
    }

    #[test]
    fn a_script_without_a_caller_or_with_two_is_found() {
        let all = [Source::sample("lua/a.lua", ""), Source::sample("lua/lib/b.lua", "")];
        let check = |text: &str| check_callers(&all, &Source::sample("scripts.rs", text)).len();
        let both = "lua!(\"lib/b.lua\", \"a.lua\") include_str!(\"../../lua/lib/b.lua\")";
        assert_eq!(check(both), 0);
        assert_eq!(check("lua!(\"lib/b.lua\", \"a.lua\", \"a.lua\")"), 1);
        assert_eq!(check("lua!(\"a.lua\")"), 1);
    }
}
