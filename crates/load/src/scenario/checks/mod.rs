//! The checks after a run. Each compares what the responses promised with what others say: the
//! responses to other people, PostgreSQL, the ledger of the payment emulator, the map.

pub(crate) mod map;
pub(crate) mod money;
pub(crate) mod order;
pub(crate) mod sales;
pub(crate) mod seats;

use crate::crew::Findings;

/// The most lines of history that a failed check shows.
const LINES_MAX: usize = 60;

/// The violations of a condition: a sentence for each, and the history of the first ones.
#[derive(Debug, Default)]
pub(crate) struct Violations {
    pub(crate) sentences: Vec<String>,
    pub(crate) history: Vec<String>,
}

impl Violations {
    /// Adds a violation. The history of the first ones is kept.
    pub(crate) fn add(&mut self, sentence: String, history: impl FnOnce() -> Vec<String>) {
        if self.history.len() < LINES_MAX {
            self.history.push(format!("{sentence}:"));
            self.history.extend(history());
            self.history.truncate(LINES_MAX);
        }
        self.sentences.push(sentence);
    }

    /// Reports the condition. `compared` says how much was compared.
    pub(crate) fn report(self, findings: &mut Findings, condition: &str, compared: &str) {
        let detail = match self.sentences.as_slice() {
            [] => compared.to_owned(),
            [first] => format!("{compared}; {first}"),
            [first, ..] => format!("{compared}; {} wrong, first: {first}", self.sentences.len()),
        };
        let passed = self.sentences.is_empty();
        findings.check_with_history(condition, passed, detail, self.history);
    }
}
