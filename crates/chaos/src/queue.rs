//! What people do in the waiting room of a match.

use crate::behaviour::Visit;
use crate::fixture::PASS_MS;
use crate::history::{Act, Outcome};
use crate::person::Ask;
use reqwest::Method;
use serde_json::Value;
use std::time::{Duration, Instant};

/// A person leaves the line after this time.
const PATIENCE_MAX: Duration = Duration::from_secs(12);

impl Visit<'_> {
    /// Waits in line; whether the person may hold seats now.
    pub(crate) async fn wait_in_line(&mut self) -> bool {
        let (begun, mut joined) = (Instant::now(), false);
        while begun.elapsed() < PATIENCE_MAX {
            let method = if joined { Method::GET } else { Method::POST };
            match self.ask_queue(method).await {
                Outcome::Done(place) if place["state"] == "ADMITTED" => {
                    self.look_around().await;
                    if self.rng.usize(..10) == 0 {
                        // Dawdles until the pass has ended, and then tries without one.
                        self.pause(PASS_MS + 1_000, PASS_MS + 2_000).await;
                    }
                    return true;
                }
                Outcome::Done(_) => joined = true,
                Outcome::Refused(404, _) => joined = false, // Redis has lost the place
                Outcome::Refused(409, _) => return false,   // sold out
                Outcome::Refused(..) | Outcome::Accepted(_) | Outcome::Unknown(_) => {}
            }
            self.pause(100, 400).await;
        }
        self.ask_queue(Method::DELETE).await;
        false
    }

    /// Looks at the seats for a moment and asks whether the pass is still there: the check of
    /// `maxActive` needs two responses for each pass.
    async fn look_around(&mut self) {
        for _ in 0..self.rng.usize(1..5) {
            self.pause(50, 300).await;
            self.ask_queue(Method::GET).await;
        }
    }

    async fn ask_queue(&mut self, method: Method) -> Outcome {
        let path = format!("/api/matches/{}/queue", self.fixture.id);
        let (node, fixture) = (self.rng.usize(..2), self.fixture.id.clone());
        let ask = Ask { method, fixture: &fixture, ..Ask::post(Act::Queue, &path, Value::Null) };
        self.person.call(node, ask).await
    }

    async fn pause(&mut self, least_ms: u64, most_ms: u64) {
        tokio::time::sleep(Duration::from_millis(self.rng.u64(least_ms..most_ms))).await;
    }
}
