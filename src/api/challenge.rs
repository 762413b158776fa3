//! A challenge in front of a waiting room, which makes it costly to join with many accounts. It is
//! proof of work, which this node checks itself, or the widget of a service, which is asked.

use crate::api::error::{ApiError, ApiResult, ErrorCode, WantedChallenge};
use crate::config::ChallengeSettings;
use crate::domain::ids::{MatchId, UserId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use utoipa::ToSchema;

/// How long a challenge may be solved. Shorter: a slow phone does not make it. Longer: somebody
/// solves more of them before the waiting room opens.
const CHALLENGE_TTL: Duration = Duration::from_secs(300);
/// How long the service may take. Longer: people wait when it is away.
const VERIFY_TIMEOUT: Duration = Duration::from_secs(3);
/// A longer solution is none.
const SOLUTION_BYTES_MAX: usize = 4096;

/// The solution of a challenge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Solution {
    /// Of a challenge `WORK`: its `token`.
    #[serde(default)]
    token: String,
    /// Of a challenge `WORK`: a text for which the SHA-256 of `TOKEN:ANSWER` begins with `bits`
    /// bits 0. Of a challenge `WIDGET`: what the widget gave.
    #[schema(max_length = 4096)]
    answer: String,
}

/// The challenges of a node.
pub struct Challenges {
    always: bool,
    bits: u32,
    key: Vec<u8>,
    service: Option<Service>,
}

/// A service that shows a widget, with the protocol `siteverify` of Turnstile and hCaptcha.
struct Service {
    http: reqwest::Client,
    url: reqwest::Url,
    site_key: String,
    secret: String,
}

#[derive(Deserialize)]
struct Verified {
    success: bool,
}

impl Challenges {
    /// With a key that all nodes share.
    ///
    /// # Errors
    /// The address of the service is not one.
    pub fn new(settings: &ChallengeSettings, key: &str) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let service = if settings.challenge_verify_url.is_empty() {
            None
        } else {
            let url =
                settings.challenge_verify_url.parse().context("GRANDSTAND_CHALLENGE_VERIFY_URL")?;
            let (site_key, secret) =
                (settings.challenge_site_key.clone(), settings.challenge_secret.clone());
            let http = reqwest::Client::builder().timeout(VERIFY_TIMEOUT).build()?;
            Some(Service { http, url, site_key, secret })
        };
        // Another key than that of the tokens, although both come from one secret.
        let key = Sha256::digest(format!("challenge:{key}")).to_vec();
        let always = settings.challenge == "on";
        Ok(Self { always, bits: settings.challenge_bits, key, service })
    }

    /// Whether a waiting room has a challenge. `wanted`: its match asks for one.
    pub fn are_on(&self, wanted: bool) -> bool {
        wanted || self.always
    }

    /// Checks the solution of a user who joins the waiting room of a match. Work counts for this
    /// user and match as long as the challenge lives, so that a call can be repeated.
    ///
    /// # Errors
    /// `CHALLENGE_REQUIRED`, with a new challenge.
    pub async fn check(
        &self,
        now_s: i64,
        (match_id, user): (MatchId, UserId),
        solution: Option<Solution>,
    ) -> ApiResult<()> {
        let solved = match (solution, &self.service) {
            (Some(Solution { answer, .. }), _) if answer.len() > SOLUTION_BYTES_MAX => false,
            (Some(solution), Some(service)) => service.verify(&solution.answer).await?,
            (Some(solution), None) => {
                let about = format!("{}:{}", match_id.key(), user.key());
                self.fits(&solution, &about, now_s)
            }
            (None, _) => false,
        };
        if solved { Ok(()) } else { Err(self.required(match_id, user, now_s)) }
    }

    fn required(&self, match_id: MatchId, user: UserId, now_s: i64) -> ApiError {
        let challenge = match &self.service {
            Some(service) => WantedChallenge::widget(service.site_key.clone()),
            None => {
                let about = format!("{}:{}", match_id.key(), user.key());
                match self.token(&about, now_s + CHALLENGE_TTL.as_secs() as i64) {
                    Ok(token) => WantedChallenge::work(token, self.bits),
                    Err(error) => return error,
                }
            }
        };
        ApiError::challenge_required(challenge)
    }

    /// A challenge has its end, a random part and a signature, and no node keeps it.
    fn token(&self, about: &str, end_s: i64) -> ApiResult<String> {
        let mut random = [0_u8; 12];
        getrandom::fill(&mut random).map_err(ApiError::internal)?;
        let plain = format!("{end_s}.{}", URL_SAFE_NO_PAD.encode(random));
        let signature = self.signed(&plain, about)?.finalize().into_bytes();
        Ok(format!("{plain}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn signed(&self, plain: &str, about: &str) -> ApiResult<Hmac<Sha256>> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(ApiError::internal)?;
        Ok(mac.chain_update(plain).chain_update("|").chain_update(about))
    }

    fn fits(&self, solution: &Solution, about: &str, now_s: i64) -> bool {
        let Solution { token, answer } = solution;
        let Some((plain, signature)) = token.rsplit_once('.') else { return false };
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        let end_s = plain.split_once('.').and_then(|(end_s, _)| end_s.parse::<i64>().ok());
        end_s.is_some_and(|end_s| now_s <= end_s)
            && self.signed(plain, about).is_ok_and(|mac| mac.verify_slice(&signature).is_ok())
            && zero_bits(&Sha256::digest(format!("{token}:{answer}"))) >= self.bits
    }
}

/// How many bits 0 a hash begins with.
fn zero_bits(hash: &[u8]) -> u32 {
    let zeros = hash.iter().take_while(|byte| **byte == 0).count();
    zeros as u32 * 8 + hash.get(zeros).map_or(0, |byte| byte.leading_zeros())
}

impl Service {
    async fn verify(&self, answer: &str) -> ApiResult<bool> {
        let away = |error: reqwest::Error| {
            tracing::warn!(error = %error.without_url(), "the service of the challenge is away");
            ApiError::new(
                ErrorCode::Unavailable,
                "The check in front of the waiting room does not work at the moment. Try again.",
            )
        };
        let mut form = self.url.clone();
        form.query_pairs_mut().clear().append_pair("secret", &self.secret);
        form.query_pairs_mut().append_pair("response", answer);
        let body = form.query().unwrap_or_default().to_owned();
        let request = self.http.post(self.url.clone()).body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let reply = request.send().await.map_err(away)?;
        Ok(reply.json::<Verified>().await.map_err(away)?.success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_work_of_this_user_in_time_counts() {
        let settings = ChallengeSettings {
            challenge: "on".to_owned(),
            challenge_bits: 8,
            challenge_verify_url: String::new(),
            challenge_site_key: String::new(),
            challenge_secret: String::new(),
        };
        let challenges = Challenges::new(&settings, "a secret").unwrap();
        let token = challenges.token("match:anna", 1000).unwrap();
        let solve = |bits: u32| {
            let answers = (0..).map(|number: u32| number.to_string());
            let hash = |answer: &String| zero_bits(&Sha256::digest(format!("{token}:{answer}")));
            answers.into_iter().find(|answer| (hash(answer) >= 8) == (bits >= 8)).unwrap()
        };
        let with = |token: &str, answer: String| Solution { token: token.to_owned(), answer };
        let right = with(&token, solve(8));
        assert!(challenges.fits(&right, "match:anna", 1000));
        assert!(!challenges.fits(&right, "match:anna", 1001), "it is too late");
        assert!(!challenges.fits(&right, "match:ben", 1000), "it is the work of somebody else");
        assert!(!challenges.fits(&with(&token, solve(0)), "match:anna", 1000), "no work was done");
        let forged = token.replacen("1000", "9999", 1);
        assert!(!challenges.fits(&with(&forged, solve(8)), "match:anna", 1000));
        for token in ["", ".", "1000", "1000..", "x.y.z"] {
            assert!(!challenges.fits(&with(token, "1".to_owned()), "match:anna", 1000), "{token}");
        }
        let other = Challenges::new(&settings, "another secret").unwrap();
        assert!(!other.fits(&right, "match:anna", 1000));
        assert_eq!([zero_bits(&[0, 0x1f]), zero_bits(&[0x80]), zero_bits(&[0])], [11, 0, 8]);
    }
}
