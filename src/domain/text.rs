//! Brings text that people type into one form, in which it is compared. The same word may have
//! other bytes on another device: Hangul as syllables or as single letters, Latin in full width,
//! letters that are invisible.

use unicode_normalization::UnicodeNormalization as _;

/// Invisible letters, as Unicode lists them (`Default_Ignorable_Code_Point`), with the
/// marks of ruby text and the empty Braille pattern, which are invisible too.
const INVISIBLE: [(char, char); 19] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
    ('\u{2028}', '\u{2029}'),
];

/// Whether a letter is invisible. Control characters are not meant (`char::is_control`).
pub fn is_invisible(letter: char) -> bool {
    INVISIBLE.iter().any(|(from, to)| (*from..=*to).contains(&letter))
}

/// The form in which text is compared: NFKC, without invisible letters.
pub fn canonical(text: &str) -> String {
    text.chars().filter(|letter| !is_invisible(*letter)).nfkc().collect()
}

/// A name in the form in which names are compared: several spaces count as a single one.
pub fn canonical_name(text: &str) -> String {
    canonical(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An e-mail in the form of accounts: in lower case, and with its host as people read it, whether
/// it was given in letters or in the form of DNS (`xn--…`). `None` when the host is not valid.
pub fn canonical_email(text: &str) -> Option<String> {
    let text = canonical(&canonical(text).to_lowercase());
    let (name, host) = text.trim().rsplit_once('@')?;
    let (host, valid) = idna::domain_to_unicode(host);
    valid.ok()?;
    Some(format!("{name}@{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_form_is_that_of_itself() {
        for text in
            ["\u{1112}\u{1161}\u{11ab}\u{200d}", "ＡＢＣ １", "ﬁ Ⅳ ㎡", "e\u{301}\u{ad}", "İ"]
        {
            let once = canonical(text);
            assert_eq!(canonical(&once), once);
            assert!(!once.chars().any(is_invisible));
        }
        assert_eq!(canonical("\u{1112}\u{1161}\u{11ab}"), "한");
        assert_eq!(canonical_name(" A\u{3000}\u{a0} １"), "A 1");
        let email = canonical_email("İx@ＢÜCHER.example").unwrap();
        assert_eq!(canonical_email(&email).as_deref(), Some(email.as_str()));
        assert_eq!(canonical_email("x@xn--bcher-kva.Example").as_deref(), Some("x@bücher.example"));
        assert_eq!(canonical_email("x@xn--a"), None, "no host has this form");
    }
}
