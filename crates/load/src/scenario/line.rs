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
    /// Those who wait until their number is served.
    people: BTreeMap<u64, Vec<oneshot::Sender<()>>>,
}

#[derive(Deserialize)]
struct Serving {
    serving: u64,
    waiting: u64,
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
            if state.serving >= number {
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

    /// Ends the stream.
    pub(crate) fn close(&self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
    }

    fn serve(&self, text: &str) {
        let data = text.lines().find_map(|line| line.strip_prefix("data: "));
        let told: Option<Serving> = data.and_then(|data| serde_json::from_str(data).ok());
        let Some(Serving { serving, waiting }) = told else { return };
        let mut state = self.state.lock();
        (state.serving, state.waiting) = (serving, waiting);
        let later = state.people.split_off(&(serving + 1));
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
            while let Ok(Some(chunk)) = connection.chunk().await {
                let text = String::from_utf8_lossy(&chunk);
                text.split("\n\n")
                    .filter(|event| event.contains("event: serving"))
                    .for_each(|event| line.serve(event));
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
        line.serve("event: serving\ndata: {\"serving\":2,\"waiting\":1,\"soldOut\":false}");
        let mut waiting = waiting.into_iter();
        for called in waiting.by_ref().take(2) {
            called.await.unwrap();
        }
        assert!(!waiting.next().unwrap().is_finished());
        assert_eq!(line.waiting(), 1);
    }
}
