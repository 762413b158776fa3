//! The waiting room, as the people of the client see it: one event stream that says up to which
//! number people are let in.

use crate::crew::SharedCrew;
use crate::wire::Connection;
use parking_lot::Mutex;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// The pause before the stream opens again.
const REOPEN_PAUSE: Duration = Duration::from_millis(200);
/// A person who has waited for this long looks, even when the stream is silent.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The waiting room.
#[derive(Default)]
pub(crate) struct Line {
    state: Mutex<State>,
    task: Mutex<Option<AbortHandle>>,
}

#[derive(Default)]
struct State {
    serving: u64,
    waiting: u64,
    /// Nobody will be let in any more.
    is_over: bool,
    /// Those who wait until their number is served.
    people: BTreeMap<u64, Vec<oneshot::Sender<()>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Serving {
    serving: u64,
    waiting: u64,
    sold_out: bool,
    seats_may_return: bool,
}

impl Line {
    /// Opens the event stream.
    pub(crate) fn open(crew: &SharedCrew) -> Arc<Self> {
        let line = Arc::new(Self::default());
        let task = tokio::spawn(watch(crew.clone(), line.clone()));
        *line.task.lock() = Some(task.abort_handle());
        line
    }

    /// Waits until this number is served, and at most a few seconds.
    pub(crate) async fn served(&self, number: u64) {
        let receiver = {
            let mut state = self.state.lock();
            if state.serving >= number || state.is_over {
                return;
            }
            let (sender, receiver) = oneshot::channel();
            state.people.entry(number).or_default().push(sender);
            receiver
        };
        let _ = tokio::time::timeout(LOOK_INTERVAL, receiver).await;
    }

    /// Returns the number of people who wait, as the server says.
    pub(crate) fn waiting(&self) -> u64 {
        self.state.lock().waiting
    }

    /// Returns whether all seats are sold, so that nobody will be let in any more.
    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().is_over
    }

    /// Ends the stream.
    pub(crate) fn close(&self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
    }

    fn serve(&self, text: &str) {
        let data = text.lines().find_map(|line| line.strip_prefix("data: "));
        let told: Option<Serving> = data.and_then(|data| serde_json::from_str(data).ok());
        let Some(told) = told else { return };
        let mut state = self.state.lock();
        (state.serving, state.waiting) = (told.serving, told.waiting);
        state.is_over = told.sold_out && !told.seats_may_return;
        let waits_from = if state.is_over { u64::MAX } else { told.serving + 1 };
        let later = state.people.split_off(&waits_from);
        let called = std::mem::replace(&mut state.people, later);
        for person in called.into_values().flatten() {
            // A person who has given up is not there any more.
            let _ = person.send(());
        }
    }
}

async fn watch(crew: SharedCrew, line: Arc<Line>) {
    let path = format!("/api/matches/{}/queue/events", crew.venue.matches[0]);
    loop {
        let mut connection = Connection::new(crew.server.clone());
        if connection.listen(&path).await.is_ok() {
            // An event may be cut over two chunks.
            let mut text = Vec::new();
            while let Ok(Some(chunk)) = connection.chunk().await {
                text.extend_from_slice(&chunk);
                while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
                    let event: Vec<u8> = text.drain(..end + 2).collect();
                    let event = String::from_utf8_lossy(&event);
                    if event.contains("event: serving") {
                        line.serve(&event);
                    }
                }
            }
        }
        tokio::time::sleep(REOPEN_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_up_to_the_served_number_is_called() {
        let line = Arc::new(Line::default());
        let waiting: Vec<_> = (1..=3)
            .map(|number| {
                let line = line.clone();
                tokio::spawn(async move { line.served(number).await })
            })
            .collect();
        tokio::task::yield_now().await;
        let serve = |sold_out: bool, may_return: bool| {
            line.serve(&format!(
                "event: serving\ndata: {{\"serving\":2,\"waiting\":1,\"soldOut\":{sold_out},\
                 \"seatsMayReturn\":{may_return}}}"
            ));
        };
        serve(false, false);
        let mut waiting = waiting.into_iter();
        for called in waiting.by_ref().take(2) {
            called.await.unwrap();
        }
        let last = waiting.next().unwrap();
        serve(true, true);
        assert!(!last.is_finished() && !line.is_over(), "a seat may come back");
        assert_eq!(line.waiting(), 1);
        serve(true, false);
        last.await.unwrap();
        assert!(line.is_over());
    }
}
