//! The axes of the plots: which share of the axis a value has, and the labelled values.

/// How values spread over an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Linear,
    Logarithmic,
    /// Shares of all responses, where each further nine (90 %, 99 %, 99.9 %) takes as much room.
    Nines,
}

/// An axis.
#[derive(Debug)]
pub(crate) struct Scale {
    form: Form,
    low: f64,
    high: f64,
    /// Labelled values.
    pub(crate) ticks: Vec<(f64, String)>,
}

impl Scale {
    /// Returns an axis from 0 to a round number at or above the largest value.
    pub(crate) fn linear(largest: f64) -> Self {
        let largest = if largest > 0.0 { largest } else { 1.0 };
        let step = round_up(largest / 4.0);
        let high = (largest / step).ceil() * step;
        let ticks = (0..=(high / step).round() as u32).map(|tick| f64::from(tick) * step);
        let ticks = ticks.map(|value| (value, short(value))).collect();
        Self { form: Form::Linear, low: 0.0, high, ticks }
    }

    /// Returns a logarithmic axis of latencies in milliseconds.
    pub(crate) fn latencies(least: f64, largest: f64) -> Self {
        let least = least.clamp(0.1, 1e6);
        let (low, high) = (round_down(least), round_up(largest.max(least * 1.01)));
        let decades = (high / low).log10();
        let steps: &[f64] = if decades > 2.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let values = powers.flat_map(|power| steps.iter().map(move |step| step * power_of(power)));
        let inside = values.filter(|value| *value >= low * 0.999 && *value <= high * 1.001);
        let ticks = inside.map(|value| (value, milliseconds(value))).collect();
        Self { form: Form::Logarithmic, low, high, ticks }
    }

    /// Returns an axis of time, from 0 to the end.
    pub(crate) fn time(seconds: f64) -> Self {
        let high = seconds.max(0.001);
        let step = STEPS_SECONDS.into_iter().find(|step| high / step <= 6.5).unwrap_or(86_400.0);
        let ticks = (0..=(high / step) as u32).map(|tick| f64::from(tick) * step);
        let ticks = ticks.map(|value| (value, moment(value))).collect();
        Self { form: Form::Linear, low: 0.0, high, ticks }
    }

    /// Returns an axis of shares of this many responses.
    pub(crate) fn nines(responses: u64) -> Self {
        let nines = (responses.max(100) as f64).log10().ceil();
        let mut ticks = vec![(0.5, "50 %".to_owned())];
        for nine in 1..=nines as i32 {
            let share = 1.0 - power_of(-nine);
            let digits = (nine - 2).max(0) as usize;
            ticks.push((share, format!("{:.digits$} %", share * 100.0)));
        }
        Self { form: Form::Nines, low: 0.0, high: nines, ticks }
    }

    /// Returns where on the axis a value is: 0 is its begin, and 1 its end.
    pub(crate) fn share(&self, value: f64) -> f64 {
        let share = match self.form {
            Form::Linear => (value - self.low) / (self.high - self.low),
            Form::Logarithmic => (value.max(1e-9) / self.low).ln() / (self.high / self.low).ln(),
            Form::Nines => -(1.0 - value).max(1e-12).log10() / self.high,
        };
        share.clamp(0.0, 1.0)
    }
}

/// The distances between the labels of an axis of time.
const STEPS_SECONDS: [f64; 21] = [
    0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0,
    1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0,
];

fn power_of(ten: i32) -> f64 {
    10_f64.powi(ten)
}

/// Returns the smallest of 1, 2, 5, 10, 20, 50 and so on that is not below the value.
fn round_up(value: f64) -> f64 {
    let power = power_of(value.log10().floor() as i32);
    let steps = [1.0, 2.0, 5.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= value * 0.999).unwrap_or(10.0 * power)
}

fn round_down(value: f64) -> f64 {
    let power = power_of(value.log10().floor() as i32);
    let steps = [5.0, 2.0, 1.0].map(|step| step * power);
    steps.into_iter().find(|step| *step <= value * 1.001).unwrap_or(power)
}

/// Returns the value without the errors of binary fractions.
fn plain(value: f64) -> String {
    format!("{}", (value * 1e6).round() / 1e6)
}

fn milliseconds(value: f64) -> String {
    if value >= 1000.0 {
        format!("{} s", plain(value / 1e3))
    } else {
        format!("{} ms", plain(value))
    }
}

fn moment(seconds: f64) -> String {
    match seconds {
        hours if hours >= 7200.0 => format!("{} h", plain(hours / 3600.0)),
        minutes if minutes >= 120.0 => format!("{} min", plain(minutes / 60.0)),
        seconds => format!("{} s", plain(seconds)),
    }
}

fn short(count: f64) -> String {
    match count {
        large if large >= 1e6 => format!("{}M", plain(large / 1e6)),
        large if large >= 1e4 => format!("{}k", plain(large / 1e3)),
        small => plain(small),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<&str> {
        scale.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn axes_end_at_round_numbers_and_have_few_labels() {
        assert_eq!(labels(&Scale::linear(17_300.0)), ["0", "5000", "10k", "15k", "20k"]);
        assert_eq!(labels(&Scale::linear(0.0)), ["0", "0.5", "1"]);
        let latencies = Scale::latencies(0.8, 37.0);
        assert_eq!(
            labels(&latencies),
            ["0.5 ms", "1 ms", "2 ms", "5 ms", "10 ms", "20 ms", "50 ms"]
        );
        assert!((latencies.share(5.0) - 0.5).abs() < 1e-9);
        assert_eq!(labels(&Scale::latencies(1.0, 9000.0)).last(), Some(&"10 s"));
        assert_eq!(
            labels(&Scale::time(0.62)),
            ["0 s", "0.1 s", "0.2 s", "0.3 s", "0.4 s", "0.5 s", "0.6 s"]
        );
        assert_eq!(labels(&Scale::time(1500.0)).last(), Some(&"25 min"));
        let nines = Scale::nines(10_000);
        assert_eq!(labels(&nines), ["50 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
        assert!((nines.share(0.99) - 0.5).abs() < 1e-9);
    }
}
