//! The settings that must be the same on all processes of an installation, and a digest of them. A
//! node can't see the settings of another one, but a monitor can compare the digests.

use crate::config::Settings;
use sha2::{Digest as _, Sha256};

/// Bytes of the hash that the digest shows, with two letters each.
const DIGEST_BYTES: usize = 6;

impl Settings {
    /// The rules of a sale with their values, by the name in a settings file. A process that has
    /// other values sells by other rules than its neighbours. What counts on each process alone,
    /// such as calls per second, may differ.
    fn rules(&self) -> Vec<(&'static str, String)> {
        let (limits, rates) = (self.limits(), &self.rates);
        vec![
            ("partitions", self.partitions.to_string()),
            ("hold_ttl_ms", limits.hold_ttl_ms.to_string()),
            ("payment_ttl_ms", limits.payment_ttl_ms.to_string()),
            ("max_seats_per_user", limits.seats_per_user.to_string()),
            ("holds_per_ten_minutes", limits.holds_per_ten_minutes.to_string()),
            ("cool_down_after", limits.cool_down_after.to_string()),
            ("holds_need_verified_email", self.holds_need_verified_email.to_string()),
            ("staff_need_second_factor", self.staff_need_second_factor.to_string()),
            ("keep_match_ms", self.keep_match_ms.to_string()),
            ("access_ttl_ms", self.access_ttl_ms.to_string()),
            ("refresh_ttl_ms", self.refresh_ttl_ms.to_string()),
            ("rate_limits", rates.rate_limits.clone()),
            ("sign_ups_per_hour", rates.sign_ups_per_hour.to_string()),
            ("sign_ups_per_address_block", rates.sign_ups_per_address_block.to_string()),
            ("wrong_log_ins_per_hour", rates.wrong_log_ins_per_hour.to_string()),
            ("unverified_holders_per_block", rates.unverified_holders_per_block.to_string()),
            ("challenge", self.challenges.challenge.clone()),
            ("challenge_bits", self.challenges.challenge_bits.to_string()),
        ]
    }

    /// A short hash of the rules: two processes with other rules have other digests.
    pub fn digest(&self) -> String {
        let text: String =
            self.rules().iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let hash = Sha256::digest(text);
        hash.iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Shows the digest in the log and in the metrics.
    pub fn tell_digest(&self) {
        let digest = self.digest();
        tracing::info!(digest, "the rules of this process: all others must have the same digest");
        metrics::gauge!("grandstand_settings_info", "digest" => digest).set(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        settings: Settings,
    }

    fn digest(arguments: &[&str]) -> String {
        let all = ["test"].iter().chain(arguments);
        Cli::try_parse_from(all).unwrap().settings.digest()
    }

    #[test]
    fn other_rules_have_another_digest_and_other_addresses_have_not() {
        let usual = digest(&[]);
        assert_eq!(usual.len(), 2 * DIGEST_BYTES);
        for rule in [
            ["--partitions", "8"],
            ["--hold-ttl-ms", "200000"],
            ["--payment-ttl-ms", "200000"],
            ["--max-seats-per-user", "5"],
            ["--holds-per-ten-minutes", "5"],
            ["--cool-down-after", "5"],
            ["--rate-limits", "off"],
            ["--unverified-holders-per-block", "5"],
        ] {
            assert_ne!(digest(&rule), usual, "{rule:?}");
        }
        for own in [["--listen", "127.0.0.1:1"], ["--calls-per-second", "5"], ["--jwt-secret", "x"]]
        {
            assert_eq!(digest(&own), usual, "{own:?}");
        }
    }
}
