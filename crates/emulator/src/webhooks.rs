//! Webhooks: report each change of a payment to the shop, and try again until the shop responds
//! with 200. Like those of Toss, they have no signature, and they may arrive twice or late.

use crate::Shared;
use crate::faults::CallKind;
use crate::payment::{Payment, Status, korean_time, webhook_time};
use jiff::Timestamp;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// The pauses of Toss between tries: 7 repeats after the first try.
const RETRY_PAUSES_MINUTES: [u32; 7] = [1, 4, 16, 64, 256, 1024, 4096];

/// The shop may take this long for its response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// A message, which is the same in every try.
#[derive(Clone)]
struct Message {
    id: String,
    body: String,
}

/// Sends a webhook for each change until the emulator stops.
pub(crate) async fn run(shared: Arc<Shared>, mut changes: UnboundedReceiver<Payment>) {
    // Only when somebody wants webhooks, because a client reads all certificates of the system.
    let mut http: Option<reqwest::Client> = None;
    let mut kept_back: Vec<Message> = Vec::new();
    loop {
        let payment = tokio::select! {
            payment = changes.recv() => payment,
            () = shared.stopping.cancelled() => None,
        };
        let Some(payment) = payment else { return };
        let url = shared.webhook_url.lock().clone();
        let Some(url) = url.filter(|_| is_reported(payment.status)) else { continue };
        if http.is_none() {
            match reqwest::Client::builder().timeout(RESPONSE_TIMEOUT).no_proxy().build() {
                Ok(client) => http = Some(client),
                Err(error) => return tracing::error!(%error, "the emulator cannot send webhooks"),
            }
        }
        let Some(http) = http.clone() else { continue };
        let draw = shared.faults.lock().draw(CallKind::Webhook);
        let message = Message::of(&payment);
        if draw.reorder && kept_back.is_empty() {
            kept_back.push(message);
            continue;
        }
        let mut messages = vec![message; 1 + draw.copies as usize];
        messages.append(&mut kept_back);
        let shared_for_task = Arc::clone(&shared);
        // A task for the group keeps the order in it. Groups do not wait for each other.
        shared.tasks.spawn(async move {
            for message in messages {
                deliver(&shared_for_task, &http, &url, message).await;
            }
        });
    }
}

/// Tries once. The repeats run in a task of their own, so that no other message waits for them.
async fn deliver(shared: &Arc<Shared>, http: &reqwest::Client, url: &str, message: Message) {
    if send(http, url, &message, 0).await {
        return;
    }
    let (http, url, shared) = (http.clone(), url.to_owned(), Arc::clone(shared));
    let tasks = shared.tasks.clone();
    tasks.spawn(async move {
        for (retried, minutes) in (1..).zip(RETRY_PAUSES_MINUTES) {
            let pause = Duration::from_secs(60) * minutes;
            let pause = pause.mul_f64(shared.settings.webhook_time_factor.clamp(0.0, 1.0));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shared.stopping.cancelled() => return,
            }
            if send(&http, &url, &message, retried).await {
                return;
            }
        }
        tracing::warn!(id = message.id, "no more tries of a webhook");
    });
}

async fn send(http: &reqwest::Client, url: &str, message: &Message, retried: u32) -> bool {
    let request = http
        .post(url)
        .header("content-type", "application/json")
        .header("tosspayments-webhook-transmission-time", korean_time(Timestamp::now()))
        .header("tosspayments-webhook-transmission-retried-count", retried)
        .header("tosspayments-webhook-transmission-id", &message.id)
        .body(message.body.clone());
    request.send().await.is_ok_and(|response| response.status() == reqwest::StatusCode::OK)
}

impl Message {
    fn of(payment: &Payment) -> Self {
        let body = json!({
            "eventType": "PAYMENT_STATUS_CHANGED",
            "createdAt": webhook_time(Timestamp::now()),
            "data": payment,
        });
        Self { id: uuid::Uuid::now_v7().to_string(), body: body.to_string() }
    }
}

/// Whether Toss sends a webhook for this state.
fn is_reported(status: Status) -> bool {
    match status {
        Status::Done
        | Status::Canceled
        | Status::PartialCanceled
        | Status::Aborted
        | Status::Expired => true,
        Status::InProgress | Status::WaitingForDeposit => false,
    }
}
