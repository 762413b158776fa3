//! The codes on tickets. A code names a seat of a reservation, and is signed together with the
//! match, so that nobody can make one, and each match knows its own. Nothing is stored: each node
//! makes and reads them.

use crate::api::error::{ApiError, ApiResult};
use crate::domain::ids::{MatchId, ReservationId, SeatId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// What a code begins with, so that a scanner and a later form can tell it.
const FORM: &str = "GST1";
/// Bytes of the signature: 128 bits, as many as an id that nobody can guess has.
const SIGNATURE_BYTES: usize = 16;

/// Makes and reads codes.
pub struct CheckInCodes {
    /// The keys of the secret now, and of the secret before it, if there is one.
    keys: Vec<Vec<u8>>,
}

impl CheckInCodes {
    /// Codes under a secret; `older` may be empty: the secret before it. Codes that were made
    /// before the older secret are not accepted any more.
    pub fn new(secret: &str, older: &str) -> Self {
        let secrets = [secret, older].into_iter().filter(|text| !text.is_empty());
        let key = |secret: &str| Sha256::digest(format!("check-in:{secret}")).to_vec();
        Self { keys: secrets.map(key).collect() }
    }

    /// The code of a seat of a reservation: letters, digits, `-`, `_` and points.
    pub fn code(
        &self,
        match_id: MatchId,
        reservation: ReservationId,
        seat: SeatId,
    ) -> ApiResult<String> {
        let plain = format!("{FORM}.{}.{seat}", reservation.key());
        let key = self.keys.first().map_or(&[][..], Vec::as_slice);
        let signature = mac(key, &plain, match_id)?.finalize().into_bytes();
        let signature = URL_SAFE_NO_PAD.encode(&signature[..SIGNATURE_BYTES]);
        Ok(format!("{plain}.{signature}"))
    }

    /// The seat and the reservation of a code; `None` for a code that no node has made for this
    /// match.
    pub fn read(&self, match_id: MatchId, code: &str) -> Option<(ReservationId, SeatId)> {
        let (plain, signature) = code.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let is_ours = |key: &Vec<u8>| {
            mac(key, plain, match_id).is_ok_and(|mac| mac.verify_truncated_left(&signature).is_ok())
        };
        if signature.len() != SIGNATURE_BYTES || !self.keys.iter().any(is_ours) {
            return None;
        }
        let mut parts = plain.strip_prefix(FORM)?.strip_prefix('.')?.split('.');
        let reservation = ReservationId::from_key(parts.next()?)?;
        let seat = SeatId(parts.next()?.parse().ok()?);
        Some((reservation, seat))
    }
}

fn mac(key: &[u8], plain: &str, match_id: MatchId) -> ApiResult<Hmac<Sha256>> {
    let mac = Hmac::<Sha256>::new_from_slice(key).map_err(ApiError::internal)?;
    Ok(mac.chain_update(plain).chain_update("|").chain_update(match_id.key()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Partition;

    const SECRET: &str = "a secret of the tests, long enough";

    #[test]
    fn only_this_installation_makes_a_code() {
        let codes = CheckInCodes::new(SECRET, "");
        let (here, elsewhere) = (MatchId::new(Partition(3)), MatchId::new(Partition(3)));
        let (reservation, seat) = (ReservationId::new(Partition(3)), SeatId(1_010_101));
        let code = codes.code(here, reservation, seat).unwrap();
        assert_eq!(codes.read(here, &code), Some((reservation, seat)));
        assert_eq!(codes.read(elsewhere, &code), None, "a ticket of another match");
        let other = codes.code(here, reservation, SeatId(1_010_102)).unwrap();
        let signature = code.rsplit_once('.').unwrap().1;
        let moved = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
        let cut = &code[..code.len() - 6];
        let empty = format!("{}.", code.rsplit_once('.').unwrap().0);
        for forged in ["", "x", "GST1..1.", &moved, cut, &empty, &reservation.to_string()] {
            assert_eq!(codes.read(here, forged), None, "{forged}");
        }
        let stranger = CheckInCodes::new("another secret that is long enough", "");
        assert_eq!(stranger.read(here, &code), None);
        let newer = CheckInCodes::new("the next secret, also long enough", SECRET);
        assert_eq!(newer.read(here, &code), Some((reservation, seat)), "the secret before it");
        assert_ne!(newer.code(here, reservation, seat).unwrap(), code);
    }
}
