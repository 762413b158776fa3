//! Webhooks: tells the shop of each change of a payment, again and again until it answers 200.
//! Like Toss's payment webhooks they carry no signature, may come twice, and may come late.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use super::Shared;
use super::faults::CallKind;
use super::payment::{Payment, Status, korean_time, korean_time_of_webhook};

/// Toss's pauses between tries, in minutes: 7 repeats after the first try.
const RETRY_MINUTES: [u32; 7] = [1, 4, 16, 64, 256, 1024, 4096];

/// How long the shop may take for its answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// One message, the same in every try.
#[derive(Clone)]
struct Message {
    id: String,
    body: String,
}

/// Sends a webhook for each change until the emulator stops.
pub(super) async fn run(shared: Arc<Shared>, mut changes: UnboundedReceiver<Payment>) {
    let http = match reqwest::Client::builder().timeout(ANSWER_WITHIN).no_proxy().build() {
        Ok(http) => http,
        Err(error) => return tracing::error!(%error, "the emulator sends no webhooks"),
    };
    let mut kept_back: Vec<Message> = Vec::new();
    loop {
        let payment = tokio::select! {
            payment = changes.recv() => payment,
            () = shared.stopping.cancelled() => None,
        };
        let Some(payment) = payment else { return };
        let url = shared.webhook_url.lock().clone();
        let Some(url) = url.filter(|_| is_told(payment.status)) else { continue };
        let draw = shared.faults.lock().draw(CallKind::Webhook);
        let message = Message::of(&payment);
        if draw.reorder && kept_back.is_empty() {
            kept_back.push(message);
            continue;
        }
        let mut messages = vec![message; 1 + draw.copies as usize];
        messages.append(&mut kept_back);
        let (http, shared_for_task) = (http.clone(), Arc::clone(&shared));
        // One task for the group keeps its order; groups do not wait for each other.
        shared.tasks.spawn(async move {
            for message in messages {
                deliver(&shared_for_task, &http, &url, message).await;
            }
        });
    }
}

/// The first try at once; the repeats in a task of their own, so that they hold up nobody.
async fn deliver(shared: &Arc<Shared>, http: &reqwest::Client, url: &str, message: Message) {
    if send(http, url, &message, 0).await {
        return;
    }
    let (http, url, shared) = (http.clone(), url.to_owned(), Arc::clone(shared));
    let tasks = shared.tasks.clone();
    tasks.spawn(async move {
        for (retried, minutes) in (1..).zip(RETRY_MINUTES) {
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
        tracing::warn!(id = message.id, "a webhook was given up");
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
            "createdAt": korean_time_of_webhook(Timestamp::now()),
            "data": payment,
        });
        Self { id: uuid::Uuid::now_v7().to_string(), body: body.to_string() }
    }
}

/// Toss tells of these states only.
fn is_told(status: Status) -> bool {
    match status {
        Status::Done
        | Status::Canceled
        | Status::PartialCanceled
        | Status::Aborted
        | Status::Expired => true,
        Status::InProgress | Status::WaitingForDeposit => false,
    }
}
