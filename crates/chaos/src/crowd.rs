//! Crowds beside the people of a run: a storm of watchers, an overload, watchers who do not read.
//! Each ends when its task is aborted.

use crate::history::Act;
use crate::person::Ask;
use crate::sale::{PEOPLE, Sale};
use futures::StreamExt as _;
use serde_json::json;
use std::time::Duration;
use tokio::task::JoinHandle;

const WATCHERS: usize = 150;
const SLOW_WATCHERS: usize = 40;
const HOLDERS: usize = 60;

/// Many watchers open their streams at once, leave and come back.
pub(crate) fn storm(sale: &Sale) -> Vec<JoinHandle<()>> {
    let url = |node: usize| {
        format!("{}/api/matches/{}/seats/events", sale.doors[node], sale.current().id)
    };
    let watcher = |n: usize| {
        let url = url(n % 2);
        tokio::spawn(async move {
            let http = reqwest::Client::new();
            loop {
                if let Ok(reply) = http.get(&url).send().await {
                    let mut body = reply.bytes_stream();
                    let _ = tokio::time::timeout(Duration::from_millis(700), body.next()).await;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
    };
    (0..WATCHERS).map(watcher).collect()
}

/// Streams that are opened and never read.
pub(crate) fn slow_watchers(sale: &Sale) -> Vec<JoinHandle<()>> {
    let watcher = |n: usize| {
        let path = format!("/api/matches/{}/seats/events", sale.current().id);
        let url = format!("{}{path}", sale.doors[n % 2]);
        tokio::spawn(async move {
            let reply = reqwest::Client::new().get(url).send().await;
            std::future::pending::<()>().await;
            drop(reply);
        })
    };
    (0..SLOW_WATCHERS).map(watcher).collect()
}

/// One person's phone farm: holds of the same seats without a pause. The person is one of those
/// who have no part in the sale, so that their limits do not stop anybody else.
pub(crate) fn overload(sale: &Sale) -> Vec<JoinHandle<()>> {
    let holder = |n: usize| {
        let (sale, person) = (sale.clone(), sale.people[PEOPLE + 1].clone());
        tokio::spawn(async move {
            loop {
                let fixture = sale.current_without_queue().id.clone();
                let path = format!("/api/matches/{fixture}/holds");
                let body = json!({"seatIds": [1 + n as u32 % 20]});
                let ask = Ask { fixture: &fixture, ..Ask::post(Act::Hold, &path, body) };
                person.call(n % 2, ask).await;
            }
        })
    };
    (0..HOLDERS).map(holder).collect()
}
