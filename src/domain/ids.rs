//! Ids. Every UUIDv7 of Grandstand carries its partition in the 12 bits behind the version
//! (`rand_a` of RFC 9562), so that an id alone says where its keys live; 62 random bits remain.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One of the P fixed partitions: the unit of atomicity, journal, batching and worker ownership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Partition(pub u16);

/// The most partitions that an id can name (12 bits).
pub const PARTITIONS_MAX: u16 = 4096;

impl Partition {
    /// The partition of an account: spread by e-mail (FNV-1a, 64 bits), among `count` partitions.
    pub fn of_email(email: &str, count: u16) -> Self {
        Self((fnv(email.bytes()) % u64::from(count)) as u16)
    }

    /// The partition of what belongs to a text, such as the counters of a block of addresses.
    pub fn of_text(text: &str, count: u16) -> Self {
        Self((fnv(text.bytes()) % u64::from(count)) as u16)
    }

    /// A random partition among `count`, for something new that belongs to no other thing.
    pub fn random(count: u16) -> Self {
        let (_, random) = Uuid::now_v7().as_u64_pair();
        Self((random % u64::from(count)) as u16)
    }
}

impl std::fmt::Display for Partition {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(out)
    }
}

/// FNV-1a, 64 bits.
fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A new UUIDv7 that carries `partition`.
fn new_uuid(partition: Partition) -> Uuid {
    let mut bytes = Uuid::now_v7().into_bytes();
    bytes[6] = 0x70 | (partition.0 >> 8) as u8 & 0x0f;
    bytes[7] = partition.0 as u8;
    Uuid::from_bytes(bytes)
}

fn partition_of(id: Uuid) -> Partition {
    let bytes = id.as_bytes();
    Partition(u16::from(bytes[6] & 0x0f) << 8 | u16::from(bytes[7]))
}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id (UUIDv7) that lives in `partition`.
            pub fn new(partition: Partition) -> Self {
                Self(new_uuid(partition))
            }

            /// The partition that has the keys of this id.
            pub fn partition(self) -> Partition {
                partition_of(self.0)
            }

            /// The form inside Redis: base64url, 22 characters.
            pub fn key(self) -> String {
                URL_SAFE_NO_PAD.encode(self.0.as_bytes())
            }

            /// The same without an allocation, for commands that are encoded in great numbers.
            pub fn key_in(self, buffer: &mut [u8; 22]) -> &str {
                URL_SAFE_NO_PAD.encode_slice(self.0.as_bytes(), buffer).expect("22 characters");
                std::str::from_utf8(buffer).expect("base64 is text")
            }

            /// Reads the form inside Redis; `None` when the text is not one.
            pub fn from_key(key: &str) -> Option<Self> {
                let bytes = URL_SAFE_NO_PAD.decode(key).ok()?;
                Uuid::from_slice(&bytes).ok().map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(out)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )* };
}

uuid_ids! {
    /// An account.
    UserId,
    /// One log-in of an account: the family of its refresh tokens.
    SessionId,
    /// A site: a stadium with its plan of seats.
    SiteId,
    /// A match: an event held at a site.
    MatchId,
    /// A user's claim on seats with a deadline.
    HoldId,
    /// Seats on their way to being bought, or bought.
    ReservationId,
    /// One attempt to pay for a reservation.
    PaymentId,
}

/// The owner of a hold, as far as its id shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldOwner {
    /// This user, or (once in 65,536 times) another user.
    User,
    Another,
    /// No hold ever had this id.
    Nobody,
}

/// Redis keeps a hold under its user, so it cannot find the owner of a hold that another user asks
/// for. The id shows the owner: of its last 32 bits, the first half is a hash of the user, and the
/// other half is a hash of all bits before. The remaining bits (a count within the millisecond,
/// from a random start) need only differ among the holds of one user.
impl HoldId {
    /// The id of a new hold of a user.
    pub fn of(partition: Partition, user: UserId) -> Self {
        let mut bytes = new_uuid(partition).into_bytes();
        let mark = mark(&bytes[..12], user);
        bytes[12..14].copy_from_slice(&mark);
        let check = check(&bytes[..14]);
        bytes[14..].copy_from_slice(&check);
        Self(Uuid::from_bytes(bytes))
    }

    /// Whether this can be a hold of this user.
    pub fn owner(self, user: UserId) -> HoldOwner {
        let bytes = self.0.as_bytes();
        if bytes[14..] != check(&bytes[..14]) {
            HoldOwner::Nobody
        } else if bytes[12..14] == mark(&bytes[..12], user) {
            HoldOwner::User
        } else {
            HoldOwner::Another
        }
    }
}

impl SiteId {
    /// A number that no other plan has, of this site or of another one.
    pub fn plan_mark(self, version: u64) -> u32 {
        let bytes = self.0.into_bytes().into_iter().chain(version.to_be_bytes());
        let hash = fnv(bytes);
        (hash ^ hash >> 32) as u32
    }
}

fn mark(id: &[u8], user: UserId) -> [u8; 2] {
    folded(fnv(id.iter().chain(user.0.as_bytes()).copied()))
}

fn check(id: &[u8]) -> [u8; 2] {
    folded(fnv(id.iter().copied()))
}

fn folded(hash: u64) -> [u8; 2] {
    ((hash ^ hash >> 16 ^ hash >> 32 ^ hash >> 48) as u16).to_be_bytes()
}

impl ReservationId {
    /// When the id was made, in ms since 1970, by the clock of the node that made it.
    pub fn made_at(self) -> i64 {
        (self.0.as_u128() >> 80) as i64
    }
}

impl PaymentId {
    /// The order id of this payment at the gateway: 6 to 64 of `[A-Za-z0-9-_=]`.
    pub fn order_id(self) -> String {
        format!("gs-{}", self.key())
    }

    /// The payment of an order id that `order_id` has made; `None` for any other text.
    pub fn from_order_id(order_id: &str) -> Option<Self> {
        Self::from_key(order_id.strip_prefix("gs-")?)
    }
}

macro_rules! number_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => { $(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
            utoipa::ToSchema,
        )]
        #[serde(transparent)]
        #[schema(minimum = 1, maximum = 2_147_483_647)]
        pub struct $name(pub u32);

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(out)
            }
        }
    )* };
}

number_ids! {
    /// An area of a site (infield, outfield); unique within its site.
    AreaId,
    /// A section of an area; unique within its site.
    SectionId,
    /// A block of a section; unique within its site.
    BlockId,
    /// A seat; unique within its site, stable for ever.
    SeatId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_carries_its_partition_and_stays_a_uuid_v7() {
        for number in [0, 7, 15, 255, 256, 4095] {
            let id = MatchId::new(Partition(number));
            assert_eq!(id.partition(), Partition(number));
            assert_eq!(id.0.get_version_num(), 7);
            assert_eq!(MatchId::from_key(&id.key()), Some(id));
            assert_eq!(id.key().len(), 22);
        }
    }

    #[test]
    fn the_id_of_a_hold_says_whose_it_is() {
        let (me, other) = (UserId::new(Partition(1)), UserId::new(Partition(2)));
        let mut mistaken = 0;
        for _ in 0..1000 {
            let id = HoldId::of(Partition(3), me);
            assert_eq!((id.partition(), id.0.get_version_num()), (Partition(3), 7));
            assert_eq!(id.owner(me), HoldOwner::User);
            mistaken += usize::from(id.owner(other) != HoldOwner::Another);
            mistaken += usize::from(HoldId::new(Partition(3)).owner(me) != HoldOwner::Nobody);
        }
        // Expected is 0.03.
        assert!(mistaken < 3, "{mistaken}");
    }

    #[test]
    fn an_id_says_when_it_was_made() {
        let before = jiff::Timestamp::now().as_millisecond();
        let made = ReservationId::new(Partition(9)).made_at();
        assert!((before..=jiff::Timestamp::now().as_millisecond()).contains(&made), "{made}");
    }

    #[test]
    fn an_order_id_leads_back_to_its_payment() {
        let payment = PaymentId::new(Partition(3));
        assert_eq!(PaymentId::from_order_id(&payment.order_id()), Some(payment));
        assert_eq!(PaymentId::from_order_id("someone-else"), None);
    }
}
