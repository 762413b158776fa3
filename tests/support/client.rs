//! A client of the API, like a browser.

use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// A client for servers of this machine without TLS. It reads no certificates of the system,
/// because that takes longer than all calls of most tests.
pub fn plain_http() -> reqwest::Client {
    plain_http_builder().build().unwrap()
}

fn plain_http_builder() -> reqwest::ClientBuilder {
    // A node closes a connection that was idle for 30 s, also at the moment at which a client
    // begins to use it again.
    reqwest::Client::builder().tls_certs_only([]).pool_idle_timeout(Duration::from_secs(10))
}

/// Someone who calls the API.
#[derive(Clone)]
pub struct Client {
    pub url: String,
    pub token: Option<String>,
    pub http: reqwest::Client,
}

/// A response.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Client {
    pub fn new(url: String, token: Option<String>) -> Self {
        Self { url, token, http: plain_http() }
    }

    /// A client that calls from this address of this machine, such as 127.0.0.2.
    pub fn from_address(url: String, address: std::net::IpAddr) -> Self {
        let http = plain_http_builder().local_address(address).build().unwrap();
        Self { url, token: None, http }
    }

    /// The same client with the token of a user.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub async fn log_in(&self, email: &str, password: &str) -> Self {
        let body = json!({"email": email, "password": password});
        let session = self.post("/api/users/log-in", &body).await.expect(200);
        let token = session["accessToken"].as_str().unwrap().to_owned();
        Self { token: Some(token), ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, Some(body), None).await
    }

    pub async fn post_with_key(&self, path: &str, body: &Value, key: &str) -> Answer {
        self.call(Method::POST, path, Some(body), Some(key)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PUT, path, Some(body), None).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PATCH, path, Some(body), None).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None, None).await
    }

    /// A call behind a trusted proxy that forwards this address of the caller.
    pub async fn post_from(&self, address: &str, path: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, path).header("x-forwarded-for", address);
        Answer::of(request.json(body).send().await.unwrap()).await
    }

    /// Any other request: with a body that is not JSON, or with other headers.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Answer {
        let mut request = self.request(method, path);
        if let Some(body) = body.filter(|body| !body.is_null()) {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// Holds seats; the response.
    pub async fn hold(&self, match_id: &str, seats: &[u32]) -> Answer {
        let path = format!("/api/matches/{match_id}/holds");
        self.post(&path, &json!({"seatIds": seats})).await
    }

    /// Holds and reserves seats; the reservation.
    pub async fn reserve(&self, match_id: &str, seats: &[u32]) -> Value {
        let hold = self.hold(match_id, seats).await.expect(201);
        let body = json!({"matchId": match_id, "holdId": hold["holdId"]});
        self.post("/api/reservations", &body).await.expect(201)
    }

    /// Requests a payment for a reservation; the payment.
    pub async fn request_payment(&self, reservation: &Value) -> Value {
        let body = json!({"reservationId": reservation["id"], "method": "CARD"});
        self.post("/api/payments/request", &body).await.expect(201)
    }

    /// Confirms a payment with the key that the gateway gave.
    pub async fn confirm(&self, payment: &Value, key: &str) -> Answer {
        let body = json!({"paymentId": payment["id"], "paymentKey": key,
            "orderId": payment["orderId"], "amount": payment["amount"]});
        self.post("/api/payments/confirm", &body).await
    }
}

impl Answer {
    pub async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, headers, body }
    }

    /// The data of a success with this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body.get("data").cloned().unwrap_or(Value::Null)
    }

    /// A refusal with this status and code; the problem document.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!(
            (self.status, self.body["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.body
        );
        let kind = self.headers.get("content-type").and_then(|value| value.to_str().ok());
        assert_eq!(kind, Some("application/problem+json"));
        for member in ["type", "title", "detail", "requestId"] {
            assert!(self.body[member].is_string(), "{member} is missing: {}", self.body);
        }
        self.body
    }
}
