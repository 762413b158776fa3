//! The waiting room of a match.

use crate::steps::World;
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
