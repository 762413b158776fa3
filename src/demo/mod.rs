//! The demo: a baseball stadium of about 25,000 seats, a season of matches, and two accounts.
//! Data only; whoever loads it writes it through the same doors as an administrator.

mod fixtures;
mod stadium;

pub use fixtures::{Fixture, fixtures};
pub use stadium::stadium;

/// An account of the demo. Its password is public: never make it where strangers can come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoAccount {
    /// What to log in with.
    pub email: &'static str,
    /// The password, which everyone may read here.
    pub password: &'static str,
    /// Whether it is an administrator's.
    pub admin: bool,
}

/// Somebody who buys tickets.
pub const FAN: DemoAccount =
    DemoAccount { email: "fan@grandstand.example", password: "demo-fan-1982", admin: false };

/// Somebody who runs the sale.
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
