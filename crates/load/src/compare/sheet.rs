//! The values of a comparison: one per quantity and round. A quantity that could not be measured
//! keeps the reason.

use crate::numbers::number;
use grandstand_embedded::tell;
use serde::Serialize;
use std::collections::BTreeMap;

/// Characters of a reason in a table.
const REASON_CHARS_MAX: usize = 160;

/// The values of a quantity.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Samples {
    /// The value of each round. A round that failed has none.
    values: Vec<Option<f64>>,
    /// Why the last round that failed has no value.
    failure: Option<String>,
}

/// The values of all quantities, by name.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Sheet(BTreeMap<&'static str, Samples>);

impl Sheet {
    /// Prints the values of a measurement in this round, and keeps them. A failure is that of all
    /// its quantities.
    pub(crate) fn note<const N: usize>(
        &mut self,
        names: [&'static str; N],
        measured: anyhow::Result<[f64; N]>,
    ) {
        match measured {
            Ok(values) => {
                for (name, value) in names.into_iter().zip(values) {
                    tell(format_args!("  {name}: {}\n", number(value)));
                    self.0.entry(name).or_default().values.push(Some(value));
                }
            }
            Err(error) => {
                let reason = format!("{error:#}").replace(['\n', '|'], " ");
                let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
                tell(format_args!("  {} failed: {reason}\n", names.join(", ")));
                for name in names {
                    let samples = self.0.entry(name).or_default();
                    samples.values.push(None);
                    samples.failure = Some(reason.clone());
                }
            }
        }
    }

    /// Whether a measurement has failed in any round.
    pub(crate) fn has_failures(&self) -> bool {
        self.0.values().any(|samples| samples.failure.is_some())
    }

    /// Returns the median of a quantity as text, or why there is none.
    pub(crate) fn text(&self, name: &str, show: impl Fn(f64) -> String) -> String {
        let values: Vec<f64> = self.values(name).iter().copied().flatten().collect();
        let failure = self.0.get(name).and_then(|samples| samples.failure.as_ref());
        match (median(values), failure) {
            (Some(value), None) => show(value),
            (Some(value), Some(reason)) => format!("{} (a round failed: {reason})", show(value)),
            (None, Some(reason)) => format!("**failed**: {reason}"),
            (None, None) => "**failed**: not measured".to_owned(),
        }
    }

    /// Returns the median of the ratios of two quantities in the same round, as text. Other work on
    /// the machine slows a whole round, so ratios are steadier than rates.
    pub(crate) fn ratio(&self, name: &str, against: &str) -> String {
        let pairs = self.values(name).iter().zip(self.values(against));
        let ratios = pairs.filter_map(|(value, against)| Some((*value)? / (*against)?));
        let ratio = median(ratios.filter(|ratio| ratio.is_finite()).collect());
        ratio.map_or("**failed**".to_owned(), |ratio| format!("{ratio:.2}×"))
    }

    fn values(&self, name: &str) -> &[Option<f64>] {
        self.0.get(name).map_or(&[], |samples| &samples.values)
    }
}

fn median(mut list: Vec<f64>) -> Option<f64> {
    list.sort_by(f64::total_cmp);
    list.get(list.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn ratios_are_those_of_a_round_and_failures_stay() {
        let mut sheet = Sheet::default();
        sheet.note(["a", "b"], Ok([10.0, 5.0]));
        sheet.note(["a", "b"], Ok([30.0, 10.0]));
        sheet.note(["a", "b"], Ok([80.0, 20.0]));
        let whole = |value: f64| format!("{value:.0}/s");
        assert_eq!(
            (sheet.text("a", whole), sheet.ratio("a", "b")),
            ("30/s".into(), "3.00×".into())
        );
        assert!(!sheet.has_failures());
        sheet.note(["c"], Err(anyhow!("no | disk")));
        assert_eq!(sheet.text("c", whole), "**failed**: no   disk");
        assert_eq!(sheet.ratio("c", "a"), "**failed**");
        assert!(sheet.has_failures());
        assert_eq!(sheet.text("d", whole), "**failed**: not measured");
    }
}
