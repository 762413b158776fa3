//! The label of a seat in each language of the page. Holds, tickets, offers and the map take their
//! text from here, so that a seat has the same name everywhere.

use super::{Area, Block, Section};
use serde::Serialize;
use utoipa::ToSchema;

/// A language of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    English,
    Korean,
}

/// All languages, in the order of their numbers.
pub const LANGUAGES: [Language; 2] = [Language::English, Language::Korean];

/// The label of a seat on the ticket. It is unique in its site, in each language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub english: String,
    pub korean: String,
}

/// The words of a label between its parts: block `row` label of the row `seat` name `end`.
/// Without a name of the row: block `seatOnly` name `end`. Without a name of the seat: block `row`
/// label `rowEnd`. Without both, the label is that of the block.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelWords {
    pub row: &'static str,
    pub row_end: &'static str,
    pub seat: &'static str,
    pub seat_only: &'static str,
    pub end: &'static str,
}

impl Language {
    /// The words between the parts of a label.
    pub fn words(self) -> LabelWords {
        match self {
            Self::English => LabelWords {
                row: ", row ",
                row_end: "",
                seat: ", seat ",
                seat_only: ", seat ",
                end: "",
            },
            Self::Korean => LabelWords {
                row: " 블록 ",
                row_end: "열",
                seat: "열 ",
                seat_only: " 블록 ",
                end: "번",
            },
        }
    }

    /// The beginning of a label: the names of area, section and block. A name that repeats the one
    /// before it is left out, because a house with stalls and a balcony has no more names.
    pub fn block_text(self, area: &Area, section: &Section, block: &Block) -> String {
        let names = [&area.name, &section.name, &block.name].map(|name| self.half(name));
        let mut names = names.to_vec();
        names.dedup();
        names.join(" ")
    }

    /// `Infield Home 101, row 3, seat 12`. Rows and seats may be without a name.
    pub fn label(self, block_text: &str, row: &str, seat: &str) -> String {
        let words = self.words();
        match (row.is_empty(), seat.is_empty()) {
            (false, false) => [block_text, words.row, row, words.seat, seat, words.end].concat(),
            (true, false) => [block_text, words.seat_only, seat, words.end].concat(),
            (false, true) => [block_text, words.row, row, words.row_end].concat(),
            (true, true) => block_text.to_owned(),
        }
    }

    /// A name of a plan may be in both languages, `한국어 (English)`. This is the half in this
    /// language. A number or a letter in brackets is no English word, so `응원석 (1)` is one name.
    pub fn half(self, name: &str) -> &str {
        let halves = name.strip_suffix(')').and_then(|name| name.rsplit_once(" ("));
        match (halves, self) {
            (Some((korean, english)), _) if !has_hangul(korean) || !is_english(english) => name,
            (Some((korean, _)), Self::Korean) => korean,
            (Some((_, english)), Self::English) => english,
            (None, _) => name,
        }
    }
}

fn has_hangul(text: &str) -> bool {
    text.chars().any(|letter| ('가'..='힣').contains(&letter))
}

/// Two letters side by side make a word.
fn is_english(text: &str) -> bool {
    let word = |pair: &[u8]| pair.iter().all(u8::is_ascii_alphabetic);
    !has_hangul(text) && text.as_bytes().windows(2).any(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reader_gets_the_half_of_a_name_that_he_reads() {
        let table = [
            ("1루 홈 (Home)", "1루 홈", "Home"),
            ("오렌지석 (Orange, cheering)", "오렌지석", "Orange, cheering"),
            ("응원석 (1)", "응원석 (1)", "응원석 (1)"),
            ("응원석 (A)", "응원석 (A)", "응원석 (A)"),
            ("응원석 (2) (Cheering 2)", "응원석 (2)", "Cheering 2"),
            ("응원석 (둘째)", "응원석 (둘째)", "응원석 (둘째)"),
            ("Home (north)", "Home (north)", "Home (north)"),
            ("101", "101", "101"),
            ("가(Home)", "가(Home)", "가(Home)"),
            (")", ")", ")"),
        ];
        for (name, korean, english) in table {
            assert_eq!(Language::Korean.half(name), korean);
            assert_eq!(Language::English.half(name), english);
        }
    }
}
