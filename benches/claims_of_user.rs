//! What a hold and its release cost Redis, by the number of other claims of their user, in calls of
//! 20 to 100 commands. The numbers are Redis's own (`INFO commandstats`), so it does not matter how
//! this program was built.

mod harness;

use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use futures::future::join_all;
use grandstand::domain::ids::{HoldId, SeatId, UserId};
use grandstand::engine::operation::Operation;
use harness::{Bench, PARTITION};

/// Commands of a call.
const BATCHES: [usize; 3] = [20, 50, 100];
/// Other claims of each user. The last number is a busy agency.
const OTHER_CLAIMS: [usize; 4] = [0, 1, 3, 60];
/// Holds and releases of each user. The median of them counts.
const ROUNDS: usize = 200;

fn main() {
    let bench = Bench::start(3_600_000);
    println!(
        "{:<8} {:>12} {:>10} {:>12} {:>8}",
        "commands", "other claims", "µs a hold", "a release", "ratio"
    );
    for commands in BATCHES {
        let mut none = 0.0;
        for others in OTHER_CLAIMS {
            let (hold, release) = bench.runtime.block_on(measure(&bench, commands, others));
            if others == 0 {
                none = hold + release;
            }
            let ratio = (hold + release) / none;
            println!("{commands:<8} {others:>12} {hold:>10.1} {release:>12.1} {ratio:>8.2}");
        }
    }
}

/// The median time of a hold and of a release in µs. Redis has the same number of claims whatever
/// `others` is: those that the users do not have are those of other users.
async fn measure(bench: &Bench, commands: usize, others: usize) -> (f64, f64) {
    Bench::reopen(&bench.engine, bench.match_id).await;
    let raw = grandstand::redis::connect(&bench.redis_url()).await.expect("a client");
    let users: Vec<UserId> = (0..commands).map(|_| UserId::new(PARTITION)).collect();
    let (seats, rest) = bench.seats.split_at(commands);
    let most = OTHER_CLAIMS[OTHER_CLAIMS.len() - 1];
    for (number, seats) in rest.chunks(commands).take(most).enumerate() {
        let strangers: Vec<UserId> = users.iter().map(|_| UserId::new(PARTITION)).collect();
        hold_all(bench, if number < others { &users } else { &strangers }, seats).await;
    }
    let (mut holds, mut releases) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = redis_time(&raw).await;
        let held = hold_all(bench, &users, seats).await;
        let between = redis_time(&raw).await;
        let (engine, id) = (&bench.engine, bench.match_id);
        let given_back = users.iter().zip(held).map(|(user, hold)| engine.release(id, *user, hold));
        join_all(given_back).await.into_iter().for_each(|done| done.expect("a release"));
        holds.push((between - before) / commands as f64);
        releases.push((redis_time(&raw).await - between) / commands as f64);
    }
    (median(holds), median(releases))
}

/// A hold of one seat for each user.
async fn hold_all(bench: &Bench, users: &[UserId], seats: &[SeatId]) -> Vec<HoldId> {
    let (engine, id) = (&bench.engine, bench.match_id);
    let holds = users
        .iter()
        .zip(seats)
        .map(|(user, seat)| engine.hold(id, *user, vec![*seat], 10_000, &[], Operation::default()));
    join_all(holds).await.into_iter().map(|held| held.expect("a free seat").0).collect()
}

/// The time that Redis has spent in batches, in µs.
async fn redis_time(raw: &Client) -> f64 {
    let info = CustomCommand::new_static("INFO", ClusterHash::Random, false);
    let text: String = raw.custom(info, vec!["commandstats"]).await.expect("a reply");
    let line = text.lines().find_map(|line| line.strip_prefix("cmdstat_fcall:"));
    let time = line.and_then(|line| line.split(',').find_map(|part| part.strip_prefix("usec=")));
    time.map_or(0.0, |time| time.parse().expect("a number"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
