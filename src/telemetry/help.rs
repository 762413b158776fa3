//! What each metric means, in one sentence, as `/metrics` shows it. docs/OPERATIONS.md says more.

/// The kind of a metric.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

use Kind::{Counter, Gauge, Histogram};

/// Every metric of this program.
pub(super) const HELP: &[(&str, Kind, &str)] = &[
    ("grandstand_build_info", Gauge, "The version of this program; always 1."),
    ("grandstand_settings_info", Gauge, "A digest of the rules of this process; always 1."),
    ("grandstand_http_seconds", Histogram, "Time from a request to its response."),
    ("grandstand_http_requests_total", Counter, "Requests that were responded to."),
    ("grandstand_refusals_total", Counter, "Refusals by the code of the problem document."),
    ("grandstand_redis_seconds", Histogram, "Time of a call to Redis."),
    ("grandstand_redis_errors_total", Counter, "Calls to Redis that failed."),
    ("grandstand_batch_commands", Histogram, "Commands per call to Redis."),
    ("grandstand_seats_held_total", Counter, "Seats that were held."),
    ("grandstand_reservations_confirmed_total", Counter, "Sales."),
    ("grandstand_payments_total", Counter, "Payments by their outcome."),
    ("grandstand_gateway_seconds", Histogram, "Time of a call to the gateway, with its repeats."),
    ("grandstand_payments_unsettled_seconds", Gauge, "Age of the oldest payment without an end."),
    ("grandstand_gateway_away", Gauge, "1 while the gateway does not reply, else 0."),
    ("grandstand_refunds_owed_total", Counter, "Charges for seats that could not be delivered."),
    ("grandstand_refunds_owed_refused_total", Counter, "Refunds of them that were refused."),
    ("grandstand_disagreements_settled_total", Counter, "Payments that the gateway contradicted."),
    ("grandstand_charges_without_row", Gauge, "Charges that PostgreSQL does not know."),
    ("grandstand_gateway_hints_dropped_total", Counter, "Webhooks that were dropped."),
    ("grandstand_seats_lost_total", Counter, "Seats that an earlier sale already had."),
    ("grandstand_journal_entries_total", Counter, "Entries that this worker has persisted."),
    ("grandstand_journal_lag_seconds", Histogram, "Time from a fact to its commit."),
    ("grandstand_journal_backlog_entries", Gauge, "Entries that PostgreSQL does not have yet."),
    ("grandstand_journal_backlog_seconds", Gauge, "Age of the oldest of these entries."),
    ("grandstand_dead_letters_total", Counter, "Facts that PostgreSQL has refused."),
    ("grandstand_dead_letters", Gauge, "Facts that wait for an operator."),
    ("grandstand_partitions_away", Gauge, "Partitions that do not serve everything."),
    ("grandstand_database_away", Gauge, "1 while PostgreSQL does not reply, else 0."),
    ("grandstand_database_connections_max", Gauge, "Connections that the pool may open."),
    ("grandstand_database_connections_used", Gauge, "Connections of the pool in use."),
    ("grandstand_database_waiting", Gauge, "Callers that wait for a connection of the pool."),
    ("grandstand_write_behind_failing_seconds", Gauge, "Since when no fact reaches PostgreSQL."),
    ("grandstand_partition_owned", Gauge, "1 when this worker owns the partition, else 0."),
    ("grandstand_lease_age_seconds", Gauge, "Age of the lease at its last renewal."),
    ("grandstand_reader_lag_seconds", Histogram, "Time from a change to the node that shows it."),
    ("grandstand_reader_silence_seconds", Gauge, "Longest silence of a reader of the streams."),
    ("grandstand_partitions_halted", Gauge, "Partitions in which payments have stopped."),
    ("grandstand_partitions_rebuilt_total", Counter, "Partitions loaded from PostgreSQL."),
    ("grandstand_clock_jumps_total", Counter, "Jumps of the clock of Redis."),
    ("grandstand_orphans_total", Counter, "Seats, payments and facts without an owner."),
    ("grandstand_queue_waiting", Gauge, "People in the waiting rooms."),
    ("grandstand_queue_admitted_total", Counter, "People who were let in."),
    ("grandstand_live_maps", Gauge, "Matches with watchers on this node."),
    ("grandstand_streams", Gauge, "Open event streams."),
    ("grandstand_frames_total", Counter, "Frames sent to event streams over HTTP/1.1."),
    ("grandstand_streams_resent_total", Counter, "Snapshots for connections that were slow."),
    ("grandstand_connections", Gauge, "Open connections."),
    ("grandstand_connections_cut_total", Counter, "Connections of rude clients that were ended."),
    ("grandstand_connections_refused_total", Counter, "Connections above a limit."),
    ("grandstand_slow_client_bytes", Gauge, "Memory that is kept for slow clients."),
    ("grandstand_hashes_running", Gauge, "Hashes of passwords under way."),
    ("grandstand_hashes_waiting", Gauge, "Log-ins and sign-ups that wait for a hash."),
    ("grandstand_certificate_ends_seconds", Gauge, "Time until the certificate ends."),
    ("grandstand_hashes_refused_total", Counter, "Log-ins and sign-ups refused in a crowd."),
    ("grandstand_rate_limited_total", Counter, "Calls refused by a rate limit."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_metric_has_a_help_text_and_a_row_in_the_documents() {
        let rows = include_str!("../../docs/OPERATIONS.md").lines();
        let name = |row: &'static str| {
            let (name, _) = row.strip_prefix("| `grandstand_")?.split_once('`')?;
            Some(format!("grandstand_{name}"))
        };
        let documented: BTreeSet<String> = rows.filter_map(name).collect();
        let helped: BTreeSet<String> = HELP.iter().map(|(name, _, _)| (*name).to_owned()).collect();
        assert_eq!(documented, helped);
    }
}
