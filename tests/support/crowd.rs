//! Many people: their accounts, and a house that is large enough for them.

use crate::support::node::TestNode;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use futures::StreamExt as _;
use grandstand::domain::account::Account;
use grandstand::domain::ids::UserId;
use serde_json::{Value, json};

pub const PASSWORD: &str = "a password of tests";
/// Calls that are under way at once.
pub const CONCURRENT: usize = 24;

/// The e-mail of a person of a crowd.
pub fn email_of(name: &str, number: usize) -> String {
    format!("{name}-{number}@test.example")
}

/// The id of a seat of `house`, of which each block has 500.
pub fn seat_of(number: usize) -> u32 {
    ((1 + number / 500) * 1000 + 50 + number % 500) as u32
}

/// A plan with so many blocks of 500 seats.
pub fn house(blocks: u32) -> Value {
    let row = |block: u32, row: u32| {
        let y = f64::from(block * 20 + row);
        json!({"label": row.to_string(), "firstSeatId": block * 1000 + row * 50, "seats": 50,
            "from": [0.0, y], "to": [49.0, y]})
    };
    let block = |id: u32| {
        let y = f64::from(id * 20);
        json!({"id": id, "name": format!("{id}"), "grade": "BLUE",
            "outline": [[-1.0, y], [50.0, y], [50.0, y + 11.0]],
            "rows": (1..=10).map(|number| row(id, number)).collect::<Vec<_>>()})
    };
    json!({"name": "Test Ground", "focus": [5.0, 0.0],
        "grades": [{"code": "BLUE", "name": "Blue", "price": 10000, "color": "#1144cc"}],
        "areas": [{"id": 1, "name": "Infield", "sections": [{"id": 1, "name": "Home",
            "blocks": (1..=blocks).map(block).collect::<Vec<_>>()}]}]})
}

impl TestNode {
    /// Creates accounts whose hashes are cheap, because so many real ones take minutes.
    pub async fn create_crowd(&self, name: &str, people: usize) {
        let params = Params::new(8, 1, 1, None).unwrap();
        let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash = cheap.hash_password_with_salt(PASSWORD.as_bytes(), &[7_u8; 16]);
        let hash = hash.unwrap().to_string();
        let engine = self.engine();
        let create = |number: usize| {
            let (email, password_hash) = (email_of(name, number), hash.clone());
            async move {
                let id = UserId::new(engine.account_partition(&email));
                let account = Account::new(id, email, password_hash, 0);
                engine.create_account(&account, Default::default()).await.unwrap();
            }
        };
        let created = futures::stream::iter(0..people).map(create).buffer_unordered(CONCURRENT);
        created.collect::<Vec<()>>().await;
    }
}
