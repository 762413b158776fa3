//! The people of the exam, and what each call of theirs ends with.

use crate::person::Person;
use fastrand::Rng;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The nodes. The first two are those of the run.
pub(super) const FIRST: usize = 0;
pub(super) const SECOND: usize = 1;
/// Holds last long there, and a person may have all seats of a match.
pub(super) const ROOMY: usize = 2;
/// Holds end soon there, and cool-downs begin.
pub(super) const STRICT: usize = 3;

/// A call is repeated this long while nobody can serve it: the last worker may be on its way.
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// A condition comes true within this time.
pub(super) const WAIT_TIMEOUT: Duration = Duration::from_secs(20);
pub(super) const WAIT_PAUSE: Duration = Duration::from_millis(50);

/// What was not as it should be.
#[derive(Debug)]
pub(super) struct Broken(pub(super) String);

/// How a scenario ended.
pub(super) type Verdict<T = ()> = Result<T, Broken>;

/// Ends a scenario when something is not as it should be.
pub(super) fn check(is_right: bool, what: impl Into<String>) -> Verdict {
    if is_right { Ok(()) } else { Err(Broken(what.into())) }
}

/// The response to a call; the status 0 when there was none.
#[derive(Debug)]
pub(super) struct Reply {
    what: String,
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Reply {
    /// The data of a success with this status.
    pub(super) fn expect(mut self, status: u16) -> Verdict<Value> {
        check(self.status == status, format!("{self} instead of {status}"))?;
        Ok(self.body["data"].take())
    }

    /// The data of a success.
    pub(super) fn success(mut self) -> Verdict<Value> {
        check(matches!(self.status, 200 | 201), format!("{self}"))?;
        Ok(self.body["data"].take())
    }

    /// The problem document of a refusal with this code.
    pub(super) fn refused(self, code: &str) -> Verdict<Value> {
        check(self.is_refused(code), format!("{self} instead of {code}"))?;
        Ok(self.body)
    }

    pub(super) fn is_refused(&self, code: &str) -> bool {
        self.body["code"] == code
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, form: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.body["code"].as_str().unwrap_or_default();
        write!(form, "{}: {} {code}", self.what, self.status)
    }
}

/// Somebody who is logged in.
#[derive(Clone)]
pub(super) struct Fan {
    doors: Arc<Vec<String>>,
    http: reqwest::Client,
    token: String,
}

impl Fan {
    /// The address of a node.
    pub(super) fn door(&self, node: usize) -> &str {
        &self.doors[node]
    }

    /// The access token.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Somebody else, whose access token this is.
    pub(super) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// The same person, before one node.
    pub(super) fn at(&self, door: &str) -> Self {
        Self { doors: Arc::new(vec![door.to_owned()]), ..self.clone() }
    }

    /// One call, whatever its response is.
    pub(super) async fn once(
        &self,
        node: usize,
        method: Method,
        path: &str,
        body: &Value,
        key: &str,
    ) -> Reply {
        let what = format!("{method} {path} {body}");
        let url = format!("{}{path}", self.doors[node]);
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if !body.is_null() {
            request = request.json(body);
        }
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        let Ok(reply) = request.send().await else {
            return Reply { what, status: 0, body: Value::Null };
        };
        let status = reply.status().as_u16();
        let text = reply.text().await.unwrap_or_default();
        Reply { what, status, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    /// A call that is repeated with the same key while nobody can serve it.
    pub(super) async fn ask(
        &self,
        node: usize,
        method: Method,
        path: &str,
        body: &Value,
        key: &str,
    ) -> Reply {
        let begun = Instant::now();
        loop {
            let reply = self.once(node, method.clone(), path, body, key).await;
            let again = matches!(reply.status, 0 | 502..=504);
            if !again || begun.elapsed() > RETRY_TIMEOUT {
                return reply;
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    pub(super) async fn get(&self, node: usize, path: &str) -> Reply {
        self.ask(node, Method::GET, path, &Value::Null, "").await
    }

    pub(super) async fn post(&self, node: usize, path: &str, body: Value) -> Reply {
        self.ask(node, Method::POST, path, &body, &key()).await
    }

    /// Holds what `body` names.
    pub(super) async fn hold(&self, node: usize, id: &str, body: Value) -> Reply {
        self.post(node, &format!("/api/matches/{id}/holds"), body).await
    }

    /// Holds these seats.
    pub(super) async fn take(&self, node: usize, id: &str, seats: &[u32]) -> Reply {
        self.hold(node, id, json!({"seatIds": seats})).await
    }

    pub(super) async fn release(&self, node: usize, id: &str, hold: &Value) -> Reply {
        let path = format!("/api/matches/{id}/holds/{}", hold["holdId"].as_str().unwrap_or("-"));
        self.ask(node, Method::DELETE, &path, &Value::Null, "").await
    }

    pub(super) async fn reserve(&self, node: usize, id: &str, hold: &Value) -> Reply {
        let body = json!({"matchId": id, "holdId": hold["holdId"]});
        self.post(node, "/api/reservations", body).await
    }

    /// The reservation as this node reads it.
    pub(super) async fn read(&self, node: usize, reservation: &Value) -> Verdict<Value> {
        self.get(node, &format!("/api/reservations/{}", id_of(reservation))).await.expect(200)
    }

    /// Cancels, and waits until the outcome is known.
    pub(super) async fn cancel(&self, node: usize, reservation: &Value, body: Value) -> Reply {
        let path = format!("/api/reservations/{}/cancel", id_of(reservation));
        let begun = Instant::now();
        loop {
            let reply = self.ask(node, Method::POST, &path, &body, "").await;
            if reply.status != 202 || begun.elapsed() > WAIT_TIMEOUT {
                return reply;
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    pub(super) async fn request(&self, node: usize, reservation: &Value) -> Verdict<Value> {
        let body = json!({"reservationId": id_of(reservation), "method": "CARD"});
        self.post(node, "/api/payments/request", body).await.expect(201)
    }

    /// One call that confirms a payment.
    pub(super) async fn confirm_once(&self, node: usize, payment: &Value, key: &str) -> Reply {
        let body = json!({"paymentId": payment["id"], "paymentKey": key,
            "orderId": payment["orderId"], "amount": payment["amount"]});
        self.once(node, Method::POST, "/api/payments/confirm", &body, "").await
    }

    /// Confirms until the outcome is known.
    pub(super) async fn confirm(&self, node: usize, payment: &Value, key: &str) -> Reply {
        let begun = Instant::now();
        loop {
            let reply = self.confirm_once(node, payment, key).await;
            let again = matches!(reply.status, 0 | 202 | 502..=504);
            if !again || begun.elapsed() > WAIT_TIMEOUT {
                return reply;
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

/// Logs a person in whose session may have been lost, as well as their account.
pub(super) async fn enter(mut person: Person, doors: &Arc<Vec<String>>) -> Verdict<Fan> {
    let (doors, http) = (doors.clone(), reqwest::Client::new());
    let mut fan = Fan { doors, http, token: person.bearer().to_owned() };
    if fan.get(FIRST, "/api/reservations").await.status == 401 {
        if !person.log_in(FIRST).await {
            person.sign_up().await;
            check(person.log_in(FIRST).await, "somebody of the run can't log in")?;
        }
        fan.token = person.bearer().to_owned();
    }
    Ok(fan)
}

/// A new idempotency key.
pub(super) fn key() -> String {
    let mut rng = Rng::new();
    format!("exam-{:016x}{:016x}", rng.u64(..), rng.u64(..))
}

/// The id of a reservation, a payment or a match.
pub(super) fn id_of(data: &Value) -> &str {
    data["id"].as_str().unwrap_or_default()
}

/// The numbers of the seats in `seats`.
pub(super) fn seats_of(data: &Value) -> impl Iterator<Item = u32> {
    let number = |seat: &Value| seat["seatId"].as_u64().or(seat["id"].as_u64());
    let all = data["seats"].as_array().into_iter().flatten();
    all.filter_map(move |seat| u32::try_from(number(seat)?).ok())
}

/// A time of the API, in ms; 0 when it is none.
pub(super) fn ms(time: &Value) -> i64 {
    let time = time.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    time.map_or(0, jiff::Timestamp::as_millisecond)
}

/// A time of the API.
pub(super) fn moment(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_string()
}
