//! When people arrive. A thread of its own keeps the time, because the timers of the runtime are
//! a millisecond wide and wait for whatever else runs there.

use crate::load::arguments::Arrivals;
use crate::load::dice::Dice;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Arrivals that wait for a free connection; more are counted and turned away.
const WAITING_MAX: usize = 200_000;
/// What waits at the end gets so long.
const DRAIN: Duration = Duration::from_secs(10);

/// How people arrive.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Arrivals per second.
    pub rate: f64,
    pub duration: Duration,
    pub arrivals: Arrivals,
    /// Nobody comes after this many.
    pub count_max: u64,
}

/// Somebody who means to begin now.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Counted from 0.
    pub number: u64,
    pub at: Instant,
}

/// The people who have arrived and are not served yet.
pub struct Schedule {
    waiting: Mutex<Waiting>,
    places: Semaphore,
    ends_at: Instant,
}

#[derive(Default)]
struct Waiting {
    line: VecDeque<Arrival>,
    turned_away: u64,
}

impl Schedule {
    /// Starts the clock.
    pub fn start(plan: Plan) -> anyhow::Result<Arc<Self>> {
        let ends_at = Instant::now() + plan.duration + DRAIN;
        let schedule =
            Arc::new(Self { waiting: Mutex::default(), places: Semaphore::new(0), ends_at });
        let clock = schedule.clone();
        std::thread::Builder::new()
            .name("load-clock".to_owned())
            .spawn(move || clock.run(&plan))?;
        Ok(schedule)
    }

    fn run(&self, plan: &Plan) {
        let mut dice = Dice::new(1);
        let begun = Instant::now();
        let mut offset = Duration::ZERO;
        for number in 0..plan.count_max {
            if offset >= plan.duration {
                break;
            }
            let at = begun + offset;
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            self.admit(Arrival { number, at });
            let gap = match plan.arrivals {
                Arrivals::Constant => 1.0,
                Arrivals::Poisson => -dice.share().ln(),
            };
            offset += Duration::from_secs_f64(gap / plan.rate);
        }
        self.places.close();
    }

    fn admit(&self, arrival: Arrival) {
        let mut waiting = self.waiting.lock();
        if waiting.line.len() >= WAITING_MAX {
            waiting.turned_away += 1;
            return;
        }
        waiting.line.push_back(arrival);
        drop(waiting);
        self.places.add_permits(1);
    }

    /// The next person; `None` when nobody comes any more.
    pub async fn next(&self) -> Option<Arrival> {
        if let Ok(place) = self.places.acquire().await {
            place.forget();
        }
        let mut waiting = self.waiting.lock();
        if Instant::now() > self.ends_at {
            waiting.turned_away += waiting.line.len() as u64;
            waiting.line.clear();
        }
        waiting.line.pop_front()
    }

    /// People who came in vain: the line was too long, or time was up.
    pub fn turned_away(&self) -> u64 {
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
            let mut came = 0_u64;
            while let Some(arrival) = schedule.next().await {
                assert_eq!(arrival.number, came);
                came += 1;
            }
            assert!((800..=1200).contains(&came), "{came} with {arrivals:?}");
            assert_eq!(schedule.turned_away(), 0);
        }
    }
}
