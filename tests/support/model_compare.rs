//! Compares the scripts with the model: everything that can be seen must be the same.

use crate::support::claims::read_claims;
use crate::support::model_system::{SEATS, SEATS_PER_MATCH, SEATS_PER_USER, System, USERS};
use fred::prelude::*;
use grandstand::domain::claim::{ClaimState, EndReason};
use grandstand::domain::ids::{Partition, SeatId};
use grandstand::domain::model::{Model, State};
use grandstand::engine::claims::Found;
use grandstand::engine::snapshot::parse_told;
use grandstand::redis::keys::MatchKeys;
use std::collections::{BTreeMap, HashMap};

impl System {
    /// Everything that can be seen must be as the model says.
    pub async fn compare(&mut self, model: &Model) {
        let now = self.engine().now_ms(Partition(0)).await.unwrap();
        let mut lapsed: HashMap<SeatId, bool> = HashMap::new();
        let mut counted = [[0; USERS]; (SEATS / SEATS_PER_MATCH) as usize];
        for (number, wanted) in model.claims.iter().enumerate() {
            let found =
                self.engine().claim(self.users[wanted.user], self.claims[number]).await.unwrap();
            let Some(Found::Live(claim)) = found else {
                assert!(matches!(wanted.state, State::Ended(_)), "{number}: {wanted:?}, not live");
                continue;
            };
            let open = matches!(claim.state, ClaimState::Hold | ClaimState::Pending);
            if open && claim.deadline <= now {
                assert_eq!(wanted.state, State::Ended(EndReason::Expired), "{number}");
                lapsed.extend(claim.seats.iter().map(|seat| (*seat, true)));
                continue;
            }
            let state = match claim.state {
                ClaimState::Hold => State::Hold,
                ClaimState::Pending => State::Pending,
                ClaimState::Paying => State::Paying,
                ClaimState::Confirmed => State::Confirmed,
                ClaimState::Refunding => State::Refunding,
            };
            assert_eq!(
                (state, &claim.seats, claim.amount),
                (wanted.state, &wanted.seats, wanted.amount)
            );
            let bill = claim.bill.0.iter().map(|line| (line.seat, line.cost));
            assert_eq!(bill.collect::<BTreeMap<_, _>>(), wanted.bill, "bill of {number}");
            assert_eq!(claim.user, self.users[wanted.user]);
            if let Some(money) = claim.payment.as_ref().map(|payment| &payment.money) {
                assert_eq!(money.back_fees, wanted.back_fees, "fees of {number}");
                if state == State::Refunding {
                    let part = model.cost(number, &wanted.part) - wanted.part_fee;
                    assert_eq!((money.part, money.part_fee), (part, wanted.part_fee));
                }
            }
            if open {
                let apart = (claim.deadline - now) - (wanted.deadline - model.now);
                assert!(apart.abs() < 120_000, "deadline of {number} is off by {apart} ms");
            }
            let fixture = model.match_of(claim.seats[0]);
            assert_eq!(claim.match_id, self.matches[fixture]);
            counted[fixture][wanted.user] += claim.seats.len();
        }
        for (fixture, counted) in counted.iter().enumerate() {
            for (user, count) in counted.iter().enumerate() {
                assert_eq!(*count, model.seats_of(user, fixture), "seats of user {user}");
                assert!(*count <= SEATS_PER_USER);
            }
        }
        self.compare_users(model).await;
        let mut taken: BTreeMap<SeatId, u8> = BTreeMap::new();
        for id in &self.matches {
            taken.extend(self.engine().snapshot(*id).await.unwrap().taken);
        }
        self.fold().await;
        for seat in (1..=SEATS).map(SeatId) {
            let letter = taken.get(&seat).copied().unwrap_or(b'A');
            assert_eq!(
                self.folded.get(&seat).copied().unwrap_or(b'A'),
                letter,
                "stream, seat {seat}"
            );
            let seen = if lapsed.contains_key(&seat) { b'A' } else { letter };
            assert_eq!(char::from(seen), char::from(model.letter(seat)), "seat {seat}");
        }
    }

    /// Each user has the claims of the model, and the summaries count their seats.
    async fn compare_users(&self, model: &Model) {
        let all: HashMap<String, String> = self.raw.hgetall("{0}:claims").await.unwrap();
        let found = read_claims(&all).len();
        let mut listed = 0;
        for (number, user) in self.users.iter().enumerate() {
            let claims = self.engine().claims_of(Partition(0), *user).await.unwrap();
            listed += claims.len();
            let wanted = model.claims.iter().zip(&self.claims).filter(|(claim, _)| {
                claim.user == number && !matches!(claim.state, State::Ended(_))
            });
            for (_, id) in wanted {
                assert!(claims.iter().any(|claim| claim.id == *id), "{id} of user {number}");
            }
        }
        assert_eq!(found, listed, "claims of other users");
    }

    /// Applies the new entries of the streams of changes.
    async fn fold(&mut self) {
        for (id, upto) in self.matches.iter().zip(&mut self.folded_upto) {
            let (key, start) = (MatchKeys(*id).changes(), format!("({upto}"));
            let entries: Vec<(String, HashMap<String, String>)> =
                self.raw.xrange_values(key, start, "+", None).await.unwrap();
            for (id, fields) in entries {
                self.folded.extend(parse_told(&fields["d"]).unwrap());
                *upto = id;
            }
        }
    }
}
