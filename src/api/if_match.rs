//! The header `If-Match`: a change that counts only when nobody has changed the document since it
//! was read.

use crate::api::error::{ApiError, ApiResult, ErrorCode};
use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

/// The version that a caller has read, as a number in quotes. Without the header, or with `*`, the
/// change counts in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(Option<u64>);

impl IfMatch {
    /// Refuses a change of a document that has another version than the caller has read.
    ///
    /// # Errors
    /// `VersionMismatch`.
    pub fn check(self, version: u64) -> ApiResult<()> {
        match self.0 {
            Some(read) if read != version => Err(ErrorCode::VersionMismatch.into()),
            _ => Ok(()),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self(None));
        }
        let number = text.strip_prefix('"')?.strip_suffix('"')?;
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse().ok().filter(|_| digits).map(|version| Self(Some(version)))
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all(header::IF_MATCH).iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        let found = value.to_str().ok().and_then(|text| Self::parse(text.trim()));
        let message = "must be the version that you have read, in quotes, such as \"3\"";
        found
            .filter(|_| values.next().is_none())
            .ok_or_else(|| ApiError::field("If-Match", message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_in_quotes_or_a_star_is_read() {
        assert_eq!(IfMatch::parse("\"12\""), Some(IfMatch(Some(12))));
        assert_eq!(IfMatch::parse("*"), Some(IfMatch(None)));
        for wrong in ["12", "\"\"", "\"a\"", "\"+1\"", "\"1\", \"2\"", "W/\"1\"", "", "\""] {
            assert_eq!(IfMatch::parse(wrong), None, "{wrong}");
        }
    }
}
