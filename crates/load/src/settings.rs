//! What the people of a scenario do: how they arrive, how they choose, where they stop, and how
//! long they think. Each scenario has its own values. A scenario file and the command line change
//! them.

use clap::ValueEnum;
use serde::Deserialize;
use std::path::Path;

/// The distances between arrivals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Arrivals {
    /// At random times, at the same rate all the time.
    #[default]
    Poisson,
    /// At equal distances.
    Constant,
    /// At random times, at a rate that grows from 0 to `rate` over the duration.
    Ramp,
    /// All at the same moment.
    Burst,
}

/// The last step of a purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Until {
    /// The seats are held, and given back after the run.
    Hold,
    Reserve,
    /// The seats are paid, and PostgreSQL has the sale.
    Ticket,
}

/// How a person chooses seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Choice {
    /// Wishes neighbouring seats of the ranking without a look at the map, and after a refusal
    /// others.
    Blind,
    /// Takes good free seats of the map, and after a refusal an alternative of the response.
    Map,
    /// Leaves the choice to the server.
    BestAvailable,
}

/// What a person does with the seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Deed {
    /// Goes on to the last step.
    Buys,
    /// Holds the seats, and is not seen again.
    WalksAway,
    /// Holds the seats, and gives them back.
    GivesBack,
    /// Buys, and cancels the ticket.
    Cancels,
    /// Leaves the waiting room when they are let in.
    Leaves,
}

/// A kind of people.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonKind {
    /// The part of all people, in proportion to the weights of the other kinds.
    pub(crate) weight: f64,
    pub(crate) choice: Choice,
    pub(crate) does: Deed,
    /// The least and the greatest number of seats that a person wants.
    #[serde(default = "one_to_four")]
    pub(crate) seats: [usize; 2],
}

/// Mean lengths of pauses, in ms. Each pause is random, and at most five times its mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PausesMs {
    /// Before the choice of seats.
    pub(crate) choice: f64,
    /// Between the hold and the reservation.
    pub(crate) details: f64,
    /// Between the request of a payment and the payment, and before a ticket is cancelled.
    pub(crate) payment: f64,
}

/// A scenario file. A missing value is that of the scenario.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ScenarioFile {
    pub(crate) people: Option<u32>,
    pub(crate) seats: Option<u32>,
    pub(crate) rate: Option<f64>,
    pub(crate) duration: Option<f64>,
    pub(crate) connections: Option<u32>,
    pub(crate) arrivals: Option<Arrivals>,
    pub(crate) until: Option<Until>,
    pub(crate) queue: Option<u32>,
    pub(crate) probes: Option<u16>,
    pub(crate) pauses_ms: Option<PausesMs>,
    pub(crate) kinds: Option<Vec<PersonKind>>,
}

/// The people of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cast {
    pub(crate) until: Until,
    pub(crate) kinds: Vec<PersonKind>,
    pub(crate) pauses_ms: PausesMs,
}

impl PersonKind {
    /// Returns a kind that wants one to four seats.
    pub(crate) fn new(weight: f64, choice: Choice, does: Deed) -> Self {
        Self { weight, choice, does, seats: one_to_four() }
    }
}

impl Cast {
    /// Returns the kind for a share between 0 and 1.
    pub(crate) fn kind(&self, share: f64) -> &PersonKind {
        let mut rest = share * self.kinds.iter().map(|kind| kind.weight).sum::<f64>();
        for kind in &self.kinds {
            rest -= kind.weight;
            if rest <= 0.0 {
                return kind;
            }
        }
        &self.kinds[self.kinds.len() - 1]
    }

    /// Whether somebody chooses from the map.
    pub(crate) fn looks_at_the_map(&self) -> bool {
        self.kinds.iter().any(|kind| kind.choice == Choice::Map)
    }
}

/// Reads a scenario file. The error names the field and the line.
pub(crate) fn read_file(path: &str) -> Result<ScenarioFile, String> {
    let text = std::fs::read_to_string(Path::new(path)).map_err(|error| error.to_string())?;
    parse(&text)
}

fn parse(text: &str) -> Result<ScenarioFile, String> {
    let file: ScenarioFile =
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    let within = |name: &str, value: Option<f64>, least: f64, greatest: f64| match value {
        Some(value) if !(least..=greatest).contains(&value) => {
            Err(format!("`{name}` must be {least} to {greatest}"))
        }
        _ => Ok(()),
    };
    within("people", file.people.map(f64::from), 1.0, 200_000.0)?;
    within("seats", file.seats.map(f64::from), 1.0, 1e6)?;
    within("rate", file.rate, 0.001, 1e6)?;
    within("duration", file.duration, 0.001, 1e6)?;
    within("connections", file.connections.map(f64::from), 1.0, 10_000.0)?;
    within("queue", file.queue.map(f64::from), 1.0, 1e6)?;
    within("probes", file.probes.map(f64::from), 0.0, 1000.0)?;
    for pause in file.pauses_ms.iter().flat_map(|ms| [ms.choice, ms.details, ms.payment]) {
        within("pauses_ms", Some(pause), 0.0, 3_600_000.0)?;
    }
    for kind in file.kinds.iter().flatten() {
        within("weight", Some(kind.weight), 0.0, 1e6)?;
        let [least, greatest] = kind.seats;
        if least < 1 || greatest < least || greatest > 100 {
            return Err("`seats` of a kind must be [least, greatest], both 1 to 100".to_owned());
        }
    }
    if file.kinds.as_ref().is_some_and(|kinds| kinds.iter().all(|kind| kind.weight == 0.0)) {
        return Err("`kinds` needs a kind with a weight above 0".to_owned());
    }
    Ok(file)
}

fn one_to_four() -> [usize; 2] {
    [1, 4]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_kinds_arrivals_and_pauses() {
        let text = "people = 300\narrivals = \"ramp\"\nuntil = \"reserve\"\n\
            [pauses_ms]\npayment = 50\n[[kinds]]\nweight = 3\nchoice = \"map\"\ndoes = \"buys\"\n\
            [[kinds]]\nweight = 1\nchoice = \"best-available\"\ndoes = \"walks-away\"\n\
            seats = [2, 2]";
        let file = parse(text).unwrap();
        assert_eq!((file.people, file.arrivals), (Some(300), Some(Arrivals::Ramp)));
        let (until, pauses_ms) = (file.until.unwrap(), file.pauses_ms.unwrap());
        assert_eq!(pauses_ms, PausesMs { choice: 0.0, details: 0.0, payment: 50.0 });
        let cast = Cast { until, kinds: file.kinds.unwrap(), pauses_ms };
        assert_eq!(cast.kind(0.74).choice, Choice::Map);
        assert_eq!(cast.kind(0.76).does, Deed::WalksAway);
        assert_eq!(cast.kind(1.0).seats, [2, 2]);
        assert!(cast.looks_at_the_map());
    }

    #[test]
    fn a_mistake_in_a_file_is_named() {
        for (text, word) in [
            ("peple = 3", "peple"),
            ("people = 0", "`people` must be 1 to"),
            ("arrivals = \"flood\"", "flood"),
            ("kinds = []", "`kinds` needs"),
            ("[[kinds]]\nweight = 1\nchoice = \"map\"\ndoes = \"buys\"\nseats = [3, 2]", "least"),
            ("[[kinds]]\nweight = -1\nchoice = \"map\"\ndoes = \"buys\"", "`weight`"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
