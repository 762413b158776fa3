//! The draw of a waiting room: the order in which people are served who joined before the sale
//! opened. It follows from a secret seed, whose hash is published before anybody joins, and which
//! is published itself after the draw. So anybody can repeat the draw.

use sha2::{Digest as _, Sha256};

/// The tickets 1 to `drawn`, in the order in which they are served.
///
/// The value of a ticket is the first 8 bytes of the SHA-256 of the text `SEED:TICKET`, such as
/// `5f3c…:17`. The lowest value comes first; of two equal values the lower ticket does.
pub fn order(seed: &str, drawn: u32) -> Vec<u32> {
    let begun = begun(seed);
    let mut values: Vec<(u64, u32)> =
        (1..=drawn).map(|ticket| (value(&begun, ticket), ticket)).collect();
    values.sort_unstable();
    values.into_iter().map(|(_, ticket)| ticket).collect()
}

/// The place of a ticket among the tickets 1 to `drawn`, from 1 on; `None` for another ticket.
pub fn place(seed: &str, drawn: u32, ticket: u32) -> Option<u32> {
    if !(1..=drawn).contains(&ticket) {
        return None;
    }
    let begun = begun(seed);
    let mine = (value(&begun, ticket), ticket);
    let before = (1..=drawn).filter(|other| (value(&begun, *other), *other) < mine).count();
    u32::try_from(before + 1).ok()
}

/// The hash of a seed that is published before the draw: the SHA-256 of its text, in hexadecimal
/// digits.
pub fn seed_hash(seed: &str) -> String {
    hex(&Sha256::digest(seed))
}

/// A new seed: 32 random bytes in hexadecimal digits.
///
/// # Errors
/// The operating system has no random numbers.
pub fn new_seed() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

/// The hash of `SEED:`, to which a ticket is added. The seed is a whole block of the hash, so this
/// saves half of the work.
fn begun(seed: &str) -> Sha256 {
    Sha256::new_with_prefix(format!("{seed}:"))
}

fn value(begun: &Sha256, ticket: u32) -> u64 {
    let digest = begun.clone().chain_update(ticket.to_string()).finalize();
    digest.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values come from `sha256sum`, so that the order is that which the documents describe.
    #[test]
    fn the_order_is_that_of_the_published_rule() {
        assert_eq!(
            seed_hash("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(order("abc", 5), EXPECTED);
        for (place_before, ticket) in (0..).zip(EXPECTED) {
            assert_eq!(place("abc", 5, ticket), Some(place_before + 1));
        }
        assert_eq!((place("abc", 5, 0), place("abc", 5, 6)), (None, None));
        assert!(order("abc", 0).is_empty());
    }

    const EXPECTED: [u32; 5] = [3, 2, 4, 1, 5];

    #[test]
    fn every_ticket_has_one_place_and_none_is_preferred() {
        let (seed, drawn) = (new_seed().unwrap(), 20_000);
        assert_eq!(seed.len(), 64);
        let mut order = order(&seed, drawn);
        // Of the first half of the tickets, about half are in the first half of the order. The
        // standard deviation of their number is 35 (hypergeometric distribution): 300 is 8 of them.
        let half = drawn / 2;
        let early = order[..half as usize].iter().filter(|ticket| **ticket <= half).count() as i64;
        assert!((early - i64::from(half) / 2).abs() < 300, "{early}");
        order.sort_unstable();
        assert_eq!(order, (1..=drawn).collect::<Vec<u32>>());
    }
}
