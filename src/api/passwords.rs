//! Passwords: which ones are accepted, and their hashes.

use crate::api::error::{ApiError, FieldError};
use crate::api::hashing::Hashing;
use crate::domain::text::canonical;
use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use std::collections::HashSet;
use std::sync::LazyLock;

/// The longest password in any form of its characters: 128 syllables of Hangul as single sounds
/// have 1,152 bytes. A longer text is refused without the cost of a hash.
pub const PASSWORD_BYTES_MAX: usize = 2048;

/// argon2id with the crate's defaults: 19 MiB, two passes, one lane, which is the minimum of OWASP.
/// One hash at a time per core, because each costs about 20 ms of CPU, and log-ins must not starve
/// the holds.
static HASHING: LazyLock<Hashing> =
    LazyLock::new(|| Hashing::new(std::thread::available_parallelism().map_or(1, usize::from)));

/// The most frequent passwords of known leaks that are long enough to be accepted, in lower case.
/// The list is from the crate zxcvbn 3.1 (MIT).
static COMMON: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// The hash of a password.
pub async fn hash_password(password: String) -> Result<String, ApiError> {
    HASHING
        .run(move || {
            let mut salt = [0_u8; 16];
            getrandom::fill(&mut salt).map_err(ApiError::internal)?;
            let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
            Ok(hash.map_err(ApiError::internal)?.to_string())
        })
        .await
}

/// Whether a password fits in its canonical form (`checked_password`), or as it was typed, because
/// older accounts have a hash of the typed text. Without an account it takes the same time, so that
/// nobody learns which e-mails have an account.
pub async fn verify_password(password: String, hash: Option<String>) -> Result<bool, ApiError> {
    static NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$\
        AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    HASHING
        .run(move || {
            let text = hash.as_deref().unwrap_or(NOBODY);
            let known = PasswordHash::new(text).map_err(ApiError::internal)?;
            let fits =
                |text: &str| Argon2::default().verify_password(text.as_bytes(), &known).is_ok();
            let canonical = canonical(&password);
            let fits = fits(&canonical) || canonical != password && fits(&password);
            Ok(fits && hash.is_some())
        })
        .await
}

/// A password of the right length that is not one of the most frequent ones, in its canonical form,
/// of which the hash is made. The error names this field.
pub fn checked_password(field: &str, text: &str) -> Result<String, FieldError> {
    let password = canonical(text);
    let error = |message: &str| FieldError { field: field.to_owned(), message: message.to_owned() };
    if !(8..=128).contains(&password.chars().count()) {
        return Err(error("must have 8 to 128 characters"));
    }
    if COMMON.contains(password.to_lowercase().as_str()) {
        return Err(error("is one of the most common passwords, which are tried first"));
    }
    Ok(password)
}

/// A random password of 24 characters.
pub fn random_password() -> anyhow::Result<String> {
    use base64::Engine as _;
    let mut random = [0_u8; 18];
    getrandom::fill(&mut random)?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_common_passwords_are_refused() {
        assert!(COMMON.len() > 3000, "{}", COMMON.len());
        for password in ["password", "12345678", "Password1", "IloveYou", "qwertyuiop"] {
            assert!(checked_password("password", password).is_err(), "{password}");
        }
        for password in ["a password of tests", "demo-fan-1982", "비밀번호는아주길게"] {
            checked_password("password", password).unwrap();
        }
    }
}
