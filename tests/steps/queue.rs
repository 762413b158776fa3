//! The waiting room of a match.

use crate::steps::World;
use crate::steps::matches::draft;
use crate::steps::words::People;
use crate::support::events::EventStream;
use crate::support::node::eventually;
use cucumber::{given, then, when};
use serde_json::{Value, json};

async fn turn(world: &World, settings: &Value) {
    let admin = world.node().admin().await;
    let path = format!("/api/admin/matches/{}/queue", world.fixture().id);
    admin.put(&path, settings).await.expect(200);
}

/// People are let in as fast as the rate allows, until this number have a pass.
#[given(expr = "the match has a waiting room for {int} buyer(s) at a time")]
async fn with_queue(world: &mut World, buyers: u32) {
    turn(world, &json!({"enabled": true, "admitPerMinute": 6000, "maxActive": buyers})).await;
}

#[given("the match has a waiting room that is paused")]
async fn paused(world: &mut World) {
    turn(world, &json!({"enabled": true, "admitPerMinute": 6000, "paused": true})).await;
}

#[given("the match has a waiting room that opens later")]
async fn shut(world: &mut World) {
    let opens_at = "2030-05-04T05:00:00Z";
    turn(world, &json!({"enabled": true, "admitPerMinute": 6000, "opensAt": opens_at})).await;
}

#[when("the waiting room starts again")]
async fn goes_on(world: &mut World) {
    turn(world, &json!({"enabled": true, "admitPerMinute": 6000})).await;
}

#[given(expr = "{word} joins the queue")]
#[when(expr = "{word} joins the queue")]
async fn join(world: &mut World, name: String) {
    try_join(world, name.clone()).await;
    let place = world.person(&name).answer().clone().expect(201);
    let person = world.person_mut(&name);
    // The first number is kept, to compare it with the number after joining again.
    if person.seen.is_null() {
        person.seen = place;
    }
}

#[when(expr = "{word} tries to join the queue")]
async fn try_join(world: &mut World, name: String) {
    let answer = world.client(&name).post(&world.path("/queue"), &Value::Null).await;
    world.note(&name, answer);
}

#[when(expr = "{word} looks for a place in the queue")]
async fn look(world: &mut World, name: String) {
    let answer = world.client(&name).get(&world.path("/queue")).await;
    world.note(&name, answer);
}

#[when(expr = "{word} leaves the queue")]
async fn leave(world: &mut World, name: String) {
    world.client(&name).delete(&world.path("/queue")).await.expect(204);
}

async fn place(world: &World, name: &str) -> Value {
    world.client(name).get(&world.path("/queue")).await.expect(200)
}

#[given(expr = "{word} is admitted")]
#[then(expr = "{word} is admitted")]
async fn admitted(world: &mut World, name: String) {
    let world = &*world;
    let what = format!("{name} is admitted");
    eventually(&what, || async {
        let place = place(world, &name).await;
        let ends = place["passExpiresAt"].is_string();
        (place["state"] == "ADMITTED" && ends).then_some(())
    })
    .await;
}

#[then(expr = "{word} still waits, with {int} ahead")]
async fn waits(world: &mut World, name: String, ahead: u64) {
    let place = place(world, &name).await;
    assert_eq!(place["state"], "WAITING", "{place}");
    assert_eq!(place["ahead"], ahead, "{place}");
    assert!(place["passExpiresAt"].is_null(), "{place}");
}

#[then(expr = "{word} keeps the number")]
async fn same_number(world: &mut World, name: String) {
    let now = place(world, &name).await;
    assert!(now["number"].is_u64(), "{now}");
    assert_eq!(now["number"], world.person(&name).seen["number"]);
}

#[given(expr = "{word} watches the queue")]
async fn watch(world: &mut World, name: String) {
    let url = format!("{}{}", world.client(&name).url, world.path("/queue/events"));
    let mut stream = EventStream::open(&url, None).await;
    let first = stream.next().await.expect("the stream ended");
    assert_eq!((first.name.as_str(), &first.data["soldOut"]), ("serving", &json!(false)));
    world.person_mut(&name).map = Some(stream);
}

#[then(expr = "{word} sees the number being served reach that of {word}")]
async fn served(world: &mut World, name: String, other: String) {
    let number = world.person(&other).seen["number"].as_u64().expect("no number");
    let stream = world.person_mut(&name).map.as_mut().expect("not watching");
    loop {
        let event = stream.next().await.expect("the stream ended");
        assert_eq!(event.name, "serving");
        if event.data["serving"].as_u64().unwrap() >= number {
            break;
        }
    }
}

#[when(expr = "{word} tries to watch the queue")]
async fn try_watch(world: &mut World, name: String) {
    let answer = world.client(&name).get(&world.path("/queue/events")).await;
    world.note(&name, answer);
}

async fn change(world: &World, settings: &Value) {
    let path = format!("/api/admin/matches/{}/queue", world.fixture().id);
    world.node().admin().await.patch(&path, settings).await.expect(200);
}

#[when("Ada switches the waiting room off")]
async fn switch_off(world: &mut World) {
    change(world, &json!({"enabled": false})).await;
}

/// The path of a person in the organiser's view of the queue.
async fn path_of(world: &World, name: &str) -> String {
    let me = world.client(name).get("/api/users/me").await.expect(200);
    let id = me["id"].as_str().unwrap();
    format!("/api/admin/matches/{}/queue/people/{id}", world.fixture().id)
}

#[when(expr = "Ada lets {word} in")]
async fn let_in(world: &mut World, name: String) {
    let path = path_of(world, &name).await;
    world.node().admin().await.put(&path, &json!({})).await.expect(204);
}

#[when(expr = "Ada sends {word} away")]
async fn send_away(world: &mut World, name: String) {
    let path = path_of(world, &name).await;
    world.node().admin().await.delete(&path).await.expect(204);
}

#[when(expr = "Ada lets the next {int} fan(s) in")]
async fn let_next_in(world: &mut World, count: u32) {
    let path = format!("/api/admin/matches/{}/queue/admit", world.fixture().id);
    let done = world.node().admin().await.post(&path, &json!({"count": count})).await.expect(200);
    assert_eq!(done["admitted"], count);
}

/// The sale opens by hand. Nobody is let in after it, so that all keep their numbers.
#[given("a match is announced, whose early fans are drawn")]
async fn announced_with_draw(world: &mut World) {
    let fixture = draft(world, "LG Twins", "2030-05-05T05:00:00Z").await;
    world.fixture = Some(fixture);
    let path = format!("/api/admin/matches/{}/announce", world.fixture().id);
    world.node().admin().await.post(&path, &Value::Null).await.expect(200);
    let opens_at = "2020-01-01T00:00:00Z";
    turn(
        world,
        &json!({"enabled": true, "randomPreQueue": true, "paused": true, "opensAt": opens_at}),
    )
    .await;
}

#[then(expr = "{people} have a ticket and no number")]
async fn no_number(world: &mut World, people: People) {
    for (ticket, name) in (1..).zip(&people.0) {
        let place = place(world, name).await;
        let seen = (&place["ticket"], &place["number"], &place["ahead"]);
        assert_eq!(seen, (&json!(ticket), &Value::Null, &Value::Null));
    }
}

async fn draw_of(world: &World) -> Value {
    world.node().guest().get(&world.path("/queue/draw")).await.expect(200)
}

#[then("everybody knows the hash of the seed, and nobody the seed")]
async fn secret(world: &mut World) {
    let draw = draw_of(world).await;
    assert_eq!(draw["seedHash"].as_str().map(str::len), Some(64), "{draw}");
    assert_eq!((&draw["seed"], &draw["drawn"]), (&Value::Null, &Value::Null));
}

#[then("everybody knows the seed, which has the hash that was known before")]
async fn revealed(world: &mut World) {
    let draw = eventually("the seed is known", || async {
        let draw = draw_of(world).await;
        draw["seed"].is_string().then_some(draw)
    })
    .await;
    let seed = draw["seed"].as_str().unwrap();
    assert_eq!(draw["seedHash"], grandstand::domain::draw::seed_hash(seed));
    assert_eq!(draw["drawn"], 3);
}

#[then(expr = "the numbers of {people} follow from it")]
async fn follow(world: &mut World, people: People) {
    let seed = draw_of(world).await["seed"].as_str().unwrap().to_owned();
    for (ticket, name) in (1..).zip(&people.0) {
        let number = place(world, name).await["number"].as_u64();
        let drawn = grandstand::domain::draw::place(&seed, 3, ticket).map(u64::from);
        assert_eq!(number, drawn, "{name}");
    }
}

#[given("all seats are blocked")]
async fn all_blocked(world: &mut World) {
    let path = format!("/api/admin/matches/{}/block", world.fixture().id);
    let seats: Vec<u32> = (1..=25).collect();
    world.node().admin().await.post(&path, &json!({"seatIds": seats})).await.expect(200);
}
