//! The text of a plan for people who edit it.

use crate::domain::plan::SitePlan;

/// The plan as JSON with a line per field, and with points and lists of names in one line.
pub(super) fn readable(plan: &SitePlan) -> anyhow::Result<String> {
    let mut text = String::new();
    let pretty = serde_json::to_string_pretty(plan)?;
    let mut rest = pretty.as_str();
    while let Some(at) = rest.find(['[', '"']) {
        let (before, found) = rest.split_at(at);
        text.push_str(before);
        let list = if found.starts_with('[') { in_one_line(found) } else { None };
        let length = match &list {
            Some((_, length)) => *length,
            None if found.starts_with('[') => 1,
            None => string_length(found),
        };
        text.push_str(list.as_ref().map_or(&found[..length], |(list, _)| list));
        rest = &found[length..];
    }
    text.push_str(rest);
    text.push('\n');
    Ok(text)
}

/// The list at the beginning of a text in one line, and how many bytes it had. `None` for a list of
/// lists or objects.
fn in_one_line(text: &str) -> Option<(String, usize)> {
    let mut line = "[".to_owned();
    let mut at = 1;
    while let Some(next) = text.as_bytes().get(at) {
        let length = if *next == b'"' { string_length(&text[at..]) } else { 1 };
        match next {
            b'[' | b'{' => return None,
            b']' => return Some((line + "]", at + 1)),
            b',' => line.push_str(", "),
            next if next.is_ascii_whitespace() => {}
            _ => line.push_str(text.get(at..at + length)?),
        }
        at += length;
    }
    None
}

/// How many bytes a JSON string at the beginning of a text has, with its quotes.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}
