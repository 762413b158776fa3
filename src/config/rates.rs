//! The settings of the rate limits.

use clap::Args;

/// Rate limits. Each counts separately; a call over the limit gets 429 with `Retry-After`.
#[derive(Debug, Clone, Args)]
pub struct Rates {
    /// `off` turns all rate limits off, for load tests.
    #[arg(long, env = "GRANDSTAND_RATE_LIMITS", default_value = "on",
        value_parser = ["on", "off"])]
    pub rate_limits: String,
    /// Wrong log-ins per minute for one account from one address. Ten times as many per hour are
    /// allowed from one address for all accounts, and for one account from all addresses that its
    /// owner has not used, on all nodes together.
    #[arg(long, env = "GRANDSTAND_LOG_INS_PER_MINUTE", default_value_t = 10)]
    pub log_ins_per_minute: u32,
    /// Sign-ups per address and minute.
    #[arg(long, env = "GRANDSTAND_ACCOUNT_CALLS_PER_MINUTE", default_value_t = 120)]
    pub account_calls_per_minute: u32,
    /// Sign-ups per address and hour, on all nodes together.
    #[arg(long, env = "GRANDSTAND_SIGN_UPS_PER_HOUR", default_value_t = 600)]
    pub sign_ups_per_hour: u32,
    /// Sign-ups per block of addresses and hour, on all nodes together.
    #[arg(long, env = "GRANDSTAND_SIGN_UPS_PER_ADDRESS_BLOCK", default_value_t = 2_400)]
    pub sign_ups_per_address_block: u32,
    /// Wrong log-ins per address and hour, on all nodes together. A block of addresses has ten
    /// times as many.
    #[arg(long, env = "GRANDSTAND_WRONG_LOG_INS_PER_HOUR", default_value_t = 100)]
    pub wrong_log_ins_per_hour: u32,
    /// Users without a verified e-mail address who hold or pay for seats at the same time from one
    /// block of addresses, on all nodes together. 0: without a bound.
    #[arg(long, env = "GRANDSTAND_UNVERIFIED_HOLDERS_PER_BLOCK", default_value_t = 230)]
    pub unverified_holders_per_block: u32,
    /// Refreshes per session and minute.
    #[arg(long, env = "GRANDSTAND_REFRESHES_PER_MINUTE", default_value_t = 10)]
    pub refreshes_per_minute: u32,
    /// Holds, releases and reservations per user and second.
    #[arg(long, env = "GRANDSTAND_SEAT_CALLS_PER_SECOND", default_value_t = 10)]
    pub seat_calls_per_second: u32,
    /// Calls that only read, per user and second.
    #[arg(long, env = "GRANDSTAND_READS_PER_SECOND", default_value_t = 20)]
    pub reads_per_second: u32,
    /// Other calls per user and second: cancel, leave, log out.
    #[arg(long, env = "GRANDSTAND_WRITES_PER_SECOND", default_value_t = 5)]
    pub writes_per_second: u32,
    /// Payments that a user requests in a minute.
    #[arg(long, env = "GRANDSTAND_PAYMENT_REQUESTS_PER_MINUTE", default_value_t = 10)]
    pub payment_requests_per_minute: u32,
    /// Confirmations of a user in a minute. Each is a call to the gateway.
    #[arg(long, env = "GRANDSTAND_CONFIRMS_PER_MINUTE", default_value_t = 5)]
    pub confirms_per_minute: u32,
    /// Calls of an administrator per second.
    #[arg(long, env = "GRANDSTAND_ADMIN_CALLS_PER_SECOND", default_value_t = 50)]
    pub admin_calls_per_second: u32,
    /// Holds that a user may begin in a match within ten minutes; 0: any number. A fan who changes
    /// their mind on the map begins several.
    #[arg(long, env = "GRANDSTAND_HOLDS_PER_TEN_MINUTES", default_value_t = 20)]
    pub holds_per_ten_minutes: u32,
    /// From this many holds and reservations of a user and match on that end unpaid, each one
    /// begins a cool-down: 1, 2, 4 … 30 minutes; 0: never. Seats that are given back count by the
    /// part of their time for which they were held. A purchase and an hour clear the count.
    #[arg(long, env = "GRANDSTAND_COOL_DOWN_AFTER", default_value_t = 3)]
    pub cool_down_after: u32,
    /// Joins of waiting rooms per user and minute.
    #[arg(long, env = "GRANDSTAND_JOINS_PER_MINUTE", default_value_t = 10)]
    pub joins_per_minute: u32,
    /// Joins of waiting rooms per block of addresses and minute: 256 addresses of IPv4, or a
    /// network /48 of IPv6. All people of a mobile carrier in a town may share some addresses.
    #[arg(long, env = "GRANDSTAND_JOINS_PER_ADDRESS_BLOCK", default_value_t = 6_000)]
    pub joins_per_address_block: u32,
    /// Calls without a valid token per address and second. A block has ten times as many.
    #[arg(long, env = "GRANDSTAND_CALLS_PER_SECOND", default_value_t = 200)]
    pub calls_per_second: u32,
    /// Parts of the page per address and second. They are sent from memory.
    #[arg(long, env = "GRANDSTAND_PAGE_CALLS_PER_SECOND", default_value_t = 2_000)]
    pub page_calls_per_second: u32,
    /// Webhooks per address and second.
    #[arg(long, env = "GRANDSTAND_WEBHOOKS_PER_SECOND", default_value_t = 100)]
    pub webhooks_per_second: u32,
    /// Connections per address, without those of the streams of users.
    #[arg(long, env = "GRANDSTAND_CONNECTIONS_PER_ADDRESS", default_value_t = 4_000)]
    pub connections_per_address: u32,
    /// Event streams per address, without those of users. A block has ten times as many.
    #[arg(long, env = "GRANDSTAND_STREAMS_PER_ADDRESS", default_value_t = 64)]
    pub streams_per_address: u32,
    /// Event streams per user.
    #[arg(long, env = "GRANDSTAND_STREAMS_PER_USER", default_value_t = 8)]
    pub streams_per_user: u32,
    /// Event streams that a user opens in a minute.
    #[arg(long, env = "GRANDSTAND_STREAM_OPENS_PER_MINUTE", default_value_t = 30)]
    pub stream_opens_per_minute: u32,
    /// Event streams of this node.
    #[arg(long, env = "GRANDSTAND_STREAMS_MAX", default_value_t = 15_000)]
    pub streams_max: u32,
}
