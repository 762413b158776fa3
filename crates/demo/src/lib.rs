//! The demo: a baseball stadium of about 25,000 seats, a season of matches, and two accounts.
//! Data only: `grandstand demo` writes it as an administrator would. The plan is the JSON document
//! of docs/SITE-PLAN.md, so this crate needs no type of the engine.

mod fixtures;
mod stadium;

pub use fixtures::{Fixture, Sale, fixtures};
pub use stadium::stadium;

/// An account of the demo. Its password is public, so never create it where strangers can log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoAccount {
    /// The name to log in with.
    pub email: &'static str,
    /// The password. Everyone can read it here.
    pub password: &'static str,
    /// Whether the account belongs to an administrator.
    pub admin: bool,
}

/// An account that buys tickets.
pub const FAN: DemoAccount =
    DemoAccount { email: "fan@grandstand.example", password: "demo-fan-1982", admin: false };

/// An account that runs the sale.
pub const ADMIN: DemoAccount =
    DemoAccount { email: "admin@grandstand.example", password: "demo-admin-1982", admin: true };

/// All accounts of the demo.
pub const ACCOUNTS: [DemoAccount; 2] = [FAN, ADMIN];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demo_accounts_can_sign_up() {
        for account in ACCOUNTS {
            assert!(account.email.ends_with("@grandstand.example"));
            assert!(account.password.len() >= 8);
        }
        assert_eq!(ACCOUNTS.map(|account| account.admin), [false, true]);
    }
}
