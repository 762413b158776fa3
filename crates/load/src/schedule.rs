//! The arrivals of people. A thread of its own keeps the time, because the timers of the runtime
//! have a resolution of a millisecond and wait for other tasks.

use crate::dice::Dice;
use crate::settings::Arrivals;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// The largest number of arrivals that wait for a free connection. More are counted and turned
/// away.
const WAITING_MAX: usize = 200_000;
/// Arrivals that still wait at the end are served for this long.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The plan of the arrivals.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Arrivals per second; with a ramp, at its end.
    pub(crate) rate: f64,
    pub(crate) duration: Duration,
    pub(crate) arrivals: Arrivals,
    /// The largest number of arrivals.
    pub(crate) count_max: u64,
}

/// The arrival of a person.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// The number of the arrival, from 0.
    pub(crate) number: u64,
    /// The intended start of the person.
    pub(crate) at: Instant,
}

/// The people who have arrived and wait.
pub(crate) struct Schedule {
    waiting: Mutex<Waiting>,
    /// A permit for each arrival that waits.
    arrived: Semaphore,
    ends_at: Instant,
}

#[derive(Default)]
struct Waiting {
    queue: VecDeque<Arrival>,
    turned_away: u64,
}

impl Plan {
    /// Returns the times of the arrivals since the start, up to the duration.
    fn offsets(&self) -> impl Iterator<Item = Duration> + '_ {
        let (mut dice, mut sum) = (Dice::new(1), 0.0_f64);
        let times = std::iter::repeat_with(move || {
            let offset = self.offset(sum);
            sum += match self.arrivals {
                Arrivals::Constant => 1.0,
                Arrivals::Poisson | Arrivals::Ramp | Arrivals::Burst => -dice.share().ln(),
            };
            offset
        });
        times.take_while(|offset| *offset < self.duration)
    }

    /// Returns the time at which this number of people is expected to have arrived.
    fn offset(&self, expected: f64) -> Duration {
        let seconds = match self.arrivals {
            Arrivals::Constant | Arrivals::Poisson => expected / self.rate,
            // At t, the rate is `rate * t / duration`, and half of it times t have arrived.
            Arrivals::Ramp => (2.0 * expected * self.duration.as_secs_f64() / self.rate).sqrt(),
            Arrivals::Burst => 0.0,
        };
        Duration::from_secs_f64(seconds)
    }
}

impl Schedule {
    /// Starts the clock of the arrivals.
    pub(crate) fn start(plan: Plan) -> anyhow::Result<Arc<Self>> {
        let ends_at = Instant::now() + plan.duration + DRAIN_TIMEOUT;
        let schedule =
            Arc::new(Self { waiting: Mutex::default(), arrived: Semaphore::new(0), ends_at });
        let clock = schedule.clone();
        std::thread::Builder::new()
            .name("load-clock".to_owned())
            .spawn(move || clock.run(&plan))?;
        Ok(schedule)
    }

    fn run(&self, plan: &Plan) {
        let begun = Instant::now();
        for (number, offset) in (0..plan.count_max).zip(plan.offsets()) {
            let at = begun + offset;
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            self.admit(Arrival { number, at });
        }
        self.arrived.close();
    }

    fn admit(&self, arrival: Arrival) {
        let mut waiting = self.waiting.lock();
        if waiting.queue.len() >= WAITING_MAX {
            waiting.turned_away += 1;
            return;
        }
        waiting.queue.push_back(arrival);
        drop(waiting);
        self.arrived.add_permits(1);
    }

    /// Returns the next person, or `None` after the last arrival.
    pub(crate) async fn next(&self) -> Option<Arrival> {
        if let Ok(permit) = self.arrived.acquire().await {
            permit.forget();
        }
        let mut waiting = self.waiting.lock();
        if Instant::now() > self.ends_at {
            waiting.turned_away += waiting.queue.len() as u64;
            waiting.queue.clear();
        }
        waiting.queue.pop_front()
    }

    /// Returns how many people were turned away: the queue was too long, or the time was over.
    pub(crate) fn turned_away(&self) -> u64 {
        self.waiting.lock().turned_away
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn people_arrive_at_the_rate_until_the_end() {
        for arrivals in [Arrivals::Constant, Arrivals::Poisson] {
            let duration = Duration::from_millis(200);
            let plan = Plan { rate: 5000.0, duration, arrivals, count_max: u64::MAX };
            let schedule = Schedule::start(plan).unwrap();
            let mut arrived = 0_u64;
            while let Some(arrival) = schedule.next().await {
                assert_eq!(arrival.number, arrived);
                arrived += 1;
            }
            assert!((800..=1200).contains(&arrived), "{arrived} with {arrivals:?}");
            assert_eq!(schedule.turned_away(), 0);
        }
    }

    #[test]
    fn a_ramp_begins_slowly_and_a_burst_comes_at_once() {
        let duration = Duration::from_secs(10);
        let plan = |arrivals, count_max| Plan { rate: 1000.0, duration, arrivals, count_max };
        let ramp: Vec<Duration> = plan(Arrivals::Ramp, u64::MAX).offsets().collect();
        assert!((4700..5300).contains(&ramp.len()), "half of 1,000 per second: {}", ramp.len());
        assert!(ramp.is_sorted());
        let first_half = ramp.iter().filter(|offset| **offset < duration / 2).count();
        assert!((1100..1400).contains(&first_half), "a quarter comes first: {first_half}");
        let burst = plan(Arrivals::Burst, 300);
        assert!(burst.offsets().take(300).all(|offset| offset.is_zero()));
    }
}
