//! A waiting room without a node: people join and are let in, and time passes.

use crate::support::engine::{PARTITION, Scene};
use fred::prelude::*;
use grandstand::domain::ids::UserId;
use grandstand::engine::queue::{Admitted, Place, PlaceVerb};
use grandstand::redis::keys::MatchKeys;

/// The distance between the kinds of passes in their scores.
pub const PASS_KIND: i64 = 1 << 43;

pub fn user() -> UserId {
    UserId::new(PARTITION)
}

/// Lets the number of admissions grow as if `ms` had passed.
pub async fn pass_time(scene: &Scene<'_>, ms: f64) {
    let key = MatchKeys(scene.id()).meta();
    let _: f64 = scene.bed.raw.hincrbyfloat(key, "queue_last_at", -ms).await.unwrap();
}

/// The kind of a user's pass: 0 admitted, 1 choosing, 2 buying; and how long it lasts, in ms.
pub async fn pass_of(scene: &Scene<'_>, user: UserId) -> Option<(i64, i64)> {
    let key = MatchKeys(scene.id()).passes();
    let score: Option<f64> = scene.bed.raw.zscore(key, user.key()).await.unwrap();
    let score = score? as i64;
    let now = scene.bed.engine.now_ms(PARTITION).await.unwrap();
    Some((score / PASS_KIND, score % PASS_KIND - now))
}

/// Lets the time of a user's pass run out.
pub async fn end_pass(scene: &Scene<'_>, user: UserId) {
    let (kind, left) = pass_of(scene, user).await.expect("a pass");
    let (key, by) = (MatchKeys(scene.id()).passes(), -left - 1);
    let _: f64 = scene.bed.raw.zincrby(key, by as f64, user.key()).await.unwrap();
    assert_eq!(pass_of(scene, user).await.map(|(kind, _)| kind), Some(kind));
}

pub async fn passes(scene: &Scene<'_>) -> usize {
    scene.bed.raw.zcard(MatchKeys(scene.id()).passes()).await.unwrap()
}

pub async fn step(scene: &Scene<'_>, seats: Option<u32>) -> Admitted {
    scene.bed.engine.admit(scene.id(), seats).await.unwrap()
}

pub async fn admit(scene: &Scene<'_>) -> u64 {
    step(scene, None).await.people
}

pub async fn look(scene: &Scene<'_>, user: UserId) -> Option<Place> {
    scene.bed.engine.queue_place(scene.id(), user, PlaceVerb::Look).await.unwrap()
}

pub async fn peek(scene: &Scene<'_>, user: UserId) -> Option<Place> {
    scene.bed.engine.queue_place(scene.id(), user, PlaceVerb::Peek).await.unwrap()
}

pub async fn joined(scene: &Scene<'_>, count: usize) -> Vec<UserId> {
    let users: Vec<UserId> = (0..count).map(|_| user()).collect();
    for member in &users {
        scene.bed.engine.join_queue(scene.id(), *member, None).await.unwrap();
    }
    users
}
