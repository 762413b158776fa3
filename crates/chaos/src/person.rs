//! A client of the API who keeps a record of each call.

use crate::history::{Act, Call, History, Outcome};
use anyhow::{Result, bail};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A client waits this long; a node ends each request after 15 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// The outcome of a call for which a client has waited as long as that.
pub(crate) const TIMEOUT: &str = "timeout";
/// Connections that nobody uses are closed soon, so that the checks can count those that leak.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a list is asked for that must be there.
const LIST_ATTEMPTS: usize = 20;
const LIST_PAUSE: Duration = Duration::from_millis(250);
/// The password of everybody.
const PASSWORD: &str = "a password of the breaker";

/// Somebody with an account.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) number: usize,
    pub(crate) history: Arc<History>,
    doors: Arc<Vec<String>>,
    http: reqwest::Client,
    email: String,
    password: String,
    token: Option<String>,
}

/// A call that is about to be made.
pub(crate) struct Ask<'a> {
    pub(crate) act: Act,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Value,
    /// The idempotency key; none when it is empty.
    pub(crate) key: &'a str,
    pub(crate) fixture: &'a str,
    pub(crate) about: &'a str,
}

impl Person {
    pub(crate) fn new(number: usize, history: Arc<History>, doors: Arc<Vec<String>>) -> Self {
        let http = reqwest::Client::builder()
            .timeout(CALL_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build();
        let http = http.unwrap_or_default();
        let email = format!("person-{number}@chaos.example");
        let password = PASSWORD.to_owned();
        Self { number, history, doors, http, email, password, token: None }
    }

    /// The same with the account of the administrator.
    pub(crate) fn administrator(mut self, (email, password): (&str, &str)) -> Self {
        (self.email, self.password) = (email.to_owned(), password.to_owned());
        self
    }

    /// Creates the account.
    pub(crate) async fn sign_up(&self) -> bool {
        let body = json!({"email": self.email, "password": self.password});
        let outcome = self.call(0, Ask::post(Act::LogIn, "/api/users/sign-up", body)).await;
        matches!(outcome, Outcome::Done(_))
    }

    pub(crate) async fn log_in(&mut self, node: usize) -> bool {
        let body = json!({"email": self.email, "password": self.password});
        match self.call(node, Ask::post(Act::LogIn, "/api/users/log-in", body)).await {
            Outcome::Done(session) => {
                self.token = session["accessToken"].as_str().map(str::to_owned);
                true
            }
            _ => false,
        }
    }

    /// The access token; empty before the first log-in.
    pub(crate) fn bearer(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// The reservations of this person, as the API lists them; nothing for somebody who could never
    /// log in.
    ///
    /// # Errors
    /// No node could list them, several times.
    pub(crate) async fn reservations(&self) -> Result<Value> {
        let Some(token) = &self.token else { return Ok(Value::Null) };
        let mut last = String::new();
        for attempt in 0..LIST_ATTEMPTS {
            let url = format!("{}/api/reservations", self.doors[attempt % self.doors.len()]);
            match self.http.get(url).bearer_auth(token).send().await {
                Ok(reply) if reply.status().is_success() => {
                    return Ok(reply.json::<Value>().await?["data"].clone());
                }
                Ok(reply) => last = reply.status().to_string(),
                Err(error) => last = words(&error),
            }
            tokio::time::sleep(LIST_PAUSE).await;
        }
        bail!("the reservations of person {} can't be read: {last}", self.number)
    }

    /// Makes a call and keeps its record, also when the caller goes away meanwhile: the call may
    /// have had its effect.
    pub(crate) async fn call(&self, node: usize, ask: Ask<'_>) -> Outcome {
        let begun = self.history.now();
        let call = Call {
            act: ask.act,
            person: self.number,
            node,
            fixture: ask.fixture.to_owned(),
            key: ask.key.to_owned(),
            sent: ask.body.clone(),
            about: ask.about.to_owned(),
            begun,
            ended: begun,
            outcome: Outcome::Unknown("the caller has gone away".to_owned()),
            says_when: false,
        };
        let mut record = Record { call, history: &self.history };
        let (outcome, says_when) = self.send(node, &ask).await;
        (record.call.outcome, record.call.says_when) = (outcome.clone(), says_when);
        outcome
    }

    /// How it ended, and whether the response said when to try again.
    async fn send(&self, node: usize, ask: &Ask<'_>) -> (Outcome, bool) {
        let url = format!("{}{}", self.doors[node], ask.path);
        let mut request = self.http.request(ask.method.clone(), url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if !ask.body.is_null() {
            request = request.json(&ask.body);
        }
        if !ask.key.is_empty() {
            request = request.header("idempotency-key", ask.key);
        }
        let reply = match request.send().await {
            Ok(reply) => reply,
            Err(error) => return (Outcome::Unknown(words(&error)), false),
        };
        let (status, header) = (reply.status().as_u16(), reply.headers().get("retry-after"));
        let seconds = header.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let text = match reply.text().await {
            Ok(text) => text,
            Err(error) => return (Outcome::Unknown(words(&error)), false),
        };
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let data = || body.get("data").cloned().unwrap_or(Value::Null);
        let outcome = match status {
            200 | 201 | 204 => Outcome::Done(data()),
            202 => Outcome::Accepted(data()),
            _ => {
                let code = body["code"].as_str().unwrap_or("no problem document").to_owned();
                Outcome::Refused(status, code)
            }
        };
        (outcome, seconds.is_some())
    }
}

/// A call that is added to the history when this is dropped.
struct Record<'a> {
    call: Call,
    history: &'a History,
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        self.history.add(Call { ended: self.history.now(), ..self.call.clone() });
    }
}

impl Ask<'_> {
    pub(crate) fn post(act: Act, path: &str, body: Value) -> Self {
        let path = path.to_owned();
        Self { act, method: Method::POST, path, body, key: "", fixture: "", about: "" }
    }
}

fn words(error: &reqwest::Error) -> String {
    let kind = if error.is_timeout() {
        TIMEOUT
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection ended"
    };
    kind.to_owned()
}
