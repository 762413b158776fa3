//! The hall of the exam: its matches, and the gateway.

use super::fan::{
    Broken, FIRST, Fan, ROOMY, SECOND, STRICT, Verdict, WAIT_PAUSE, WAIT_TIMEOUT, check, enter,
    id_of, seats_of,
};
use crate::fixture::STARTS_AT;
use crate::sale::Sale;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// Where the exam takes place.
pub(super) struct Hall {
    pub(super) admin: Fan,
    fans: Vec<Fan>,
    gateway: String,
    /// The house of the run, again.
    pub(super) site: String,
}

impl Hall {
    /// Lets people of the sale in; all nodes are at `doors`.
    pub(super) async fn open(doors: Vec<String>, sale: &Sale, people: usize) -> Verdict<Self> {
        let doors = Arc::new(doors);
        let mut fans = Vec::new();
        for person in &sale.people[..people] {
            fans.push(enter(person.clone(), &doors).await?);
        }
        let admin = enter(sale.administrator.clone(), &doors).await?;
        let site = admin.post(FIRST, "/api/admin/sites", crate::fixture::plan()).await;
        let site = id_of(&site.expect(201)?).to_owned();
        Ok(Self { admin, fans, gateway: sale.gateway.clone(), site })
    }

    /// The address of a node.
    pub(super) fn door(&self, node: usize) -> &str {
        self.admin.door(node)
    }

    /// The person with this number.
    pub(super) fn fan(&self, number: usize) -> &Fan {
        &self.fans[number % self.fans.len()]
    }

    /// A draft in the house of the run, with these fields besides the usual ones.
    pub(super) async fn draft(&self, site: &str, more: Value) -> Verdict<String> {
        let mut body = json!({"siteId": site, "homeTeam": "Exam", "awayTeam": "Candidate",
            "startsAt": STARTS_AT});
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let made = self.admin.post(FIRST, "/api/admin/matches", body).await.expect(201)?;
        Ok(id_of(&made).to_owned())
    }

    /// A match on sale.
    pub(super) async fn on_sale(&self, more: Value) -> Verdict<String> {
        let id = self.draft(&self.site, more).await?;
        self.order(&id, "open").await?;
        self.is_known(&id).await?;
        Ok(id)
    }

    /// Waits until all nodes have the version of a match that the first one has.
    pub(super) async fn is_known(&self, id: &str) -> Verdict {
        let path = format!("/api/matches/{id}");
        let version = self.admin.get(FIRST, &path).await.expect(200)?["version"].as_u64();
        eventually(&format!("all nodes know version {version:?} of {id}"), async || {
            for node in [SECOND, ROOMY, STRICT] {
                let reply = self.admin.get(node, &path).await;
                if reply.status != 200 || reply.body["data"]["version"].as_u64() < version {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await
    }

    /// Announces, opens or closes a match.
    pub(super) async fn order(&self, id: &str, what: &str) -> Verdict<Value> {
        let path = format!("/api/admin/matches/{id}/{what}");
        self.admin.post(FIRST, &path, Value::Null).await.expect(200)
    }

    /// Changes fields of a match.
    pub(super) async fn change(&self, id: &str, body: Value) -> Verdict<Value> {
        let path = format!("/api/admin/matches/{id}");
        let changed = self.admin.ask(FIRST, Method::PATCH, &path, &body, "").await.expect(200)?;
        self.is_known(id).await?;
        Ok(changed)
    }

    /// Sets something of a match: its prices or its queue.
    pub(super) async fn put(&self, id: &str, what: &str, body: Value) -> Verdict<Value> {
        let path = format!("/api/admin/matches/{id}/{what}");
        let set = self.admin.ask(FIRST, Method::PUT, &path, &body, "").await.expect(200)?;
        self.is_known(id).await?;
        Ok(set)
    }

    /// The seats of block 1 with their states, in their order.
    pub(super) async fn map(&self, node: usize, id: &str) -> Verdict<Vec<(u32, String)>> {
        let path = format!("/api/matches/{id}/blocks/1/seats");
        let data = self.admin.get(node, &path).await.expect(200)?;
        Ok(seats_of(&data).zip(data["seats"].as_array().into_iter().flatten()).map(state).collect())
    }

    /// Waits until the seats have this state on the map of each node of the run.
    pub(super) async fn wait(&self, id: &str, seats: &[u32], state: &str) -> Verdict {
        let what = format!("the map of {id} shows {state} for {seats:?}");
        eventually(&what, async || {
            for node in [FIRST, SECOND] {
                let map = self.map(node, id).await?;
                let these = map.iter().filter(|(seat, now)| seats.contains(seat) && now == state);
                if these.count() != seats.len() {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await
    }

    /// Pays at the gateway; the payment key.
    pub(super) async fn pay(&self, payment: &Value, confirm: &str) -> Verdict<String> {
        let body = json!({"orderId": payment["orderId"], "amount": payment["amount"],
            "confirm": confirm});
        let reply = self.gateway(Method::POST, "payments", body).await?;
        Ok(reply["paymentKey"].as_str().unwrap_or_default().to_owned())
    }

    /// A call of the emulator of the gateway.
    pub(super) async fn gateway(&self, method: Method, path: &str, body: Value) -> Verdict<Value> {
        let url = format!("{}/_emulator/{path}", self.gateway);
        let request = reqwest::Client::new().request(method, url).json(&body).send().await;
        let reply = request.map_err(|error| Broken(format!("the emulator: {error}")))?;
        let status = reply.status();
        check(status.is_success(), format!("the emulator: {path} {body}: {status}"))?;
        Ok(reply.json().await.unwrap_or(Value::Null))
    }

    /// Buys a hold; the reservation as it was confirmed.
    pub(super) async fn buy(
        &self,
        fan: &Fan,
        node: usize,
        id: &str,
        hold: &Value,
    ) -> Verdict<Value> {
        let reservation = fan.reserve(node, id, hold).await.expect(201)?;
        self.buy_reserved(fan, node, &reservation).await
    }

    /// Pays for a reservation.
    pub(super) async fn buy_reserved(
        &self,
        fan: &Fan,
        node: usize,
        reservation: &Value,
    ) -> Verdict<Value> {
        let payment = fan.request(node, reservation).await?;
        let key = self.pay(&payment, "approve").await?;
        let mut sold = fan.confirm(node, &payment, &key).await.expect(200)?;
        Ok(sold["reservation"].take())
    }
}

fn state((seat, value): (u32, &Value)) -> (u32, String) {
    (seat, value["state"].as_str().unwrap_or_default().to_owned())
}

/// Waits until a question has an answer.
pub(super) async fn eventually<T>(
    what: &str,
    mut question: impl AsyncFnMut() -> Verdict<Option<T>>,
) -> Verdict<T> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = question().await? {
            return Ok(answer);
        }
        check(begun.elapsed() < WAIT_TIMEOUT, format!("never: {what}"))?;
        tokio::time::sleep(WAIT_PAUSE).await;
    }
}
