//! What is left of the limits that counted a call, as its response says it.

use crate::api::error::ApiError;
use crate::api::limits::bucket::Standing;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::Write as _;

/// The buckets that a call has taken a token from. It is empty when the limits are off.
#[derive(Debug, Default)]
pub struct Standings(Vec<Standing>);

impl Standings {
    /// Adds the header fields of the draft "RateLimit header fields for HTTP".
    pub fn write(&self, headers: &mut HeaderMap) {
        if self.0.is_empty() {
            return;
        }
        let (mut policy, mut limit) = (String::new(), String::new());
        for standing in &self.0 {
            let comma = if policy.is_empty() { "" } else { ", " };
            let Standing { name, remaining, wait_seconds, .. } = standing;
            let _ = write!(policy, "{comma}{}", standing.policy);
            let _ = write!(limit, "{comma}\"{name}\";r={remaining};t={wait_seconds}");
        }
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", limit)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }

    pub(super) fn add(&mut self, taken: Result<Standing, Standing>) -> Result<(), ApiError> {
        match taken {
            Ok(standing) => {
                self.0.push(standing);
                Ok(())
            }
            Err(standing) => {
                self.0.push(standing.clone());
                Err(standing.into())
            }
        }
    }
}
