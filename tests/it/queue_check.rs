//! `grandstand queue check`, and the commands of docs/WAITING-ROOM.md.

use crate::support::client::Client;
use crate::support::node::{ADMIN, TestNode, eventually, plan};
use serde_json::{Value, json};
use std::path::Path;

/// An announced match with a draw, and the tickets of the people who have joined early.
async fn early_room(node: &TestNode, people: usize) -> (Client, String, Vec<(Client, u64)>) {
    let admin = node.admin().await;
    let site = admin.post("/api/admin/sites", &plan()).await.expect(201);
    let body = json!({"siteId": site["id"], "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
        "startsAt": "2030-05-05T05:00:00Z"});
    let made = admin.post("/api/admin/matches", &body).await.expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    let queue = json!({"enabled": true, "randomPreQueue": true, "paused": true,
        "opensAt": "2020-01-01T00:00:00Z"});
    admin.put(&format!("/api/admin/matches/{id}/queue"), &queue).await.expect(200);
    admin.post(&format!("/api/admin/matches/{id}/announce"), &Value::Null).await.expect(200);
    let mut joined = Vec::new();
    for number in 0..people {
        let fan = node.user(&format!("fan{number}")).await;
        let place = fan.post(&format!("/api/matches/{id}/queue"), &Value::Null).await.expect(201);
        joined.push((fan, place["ticket"].as_u64().unwrap()));
    }
    (admin, id, joined)
}

/// The numbers that people see are those of the command. Something else ends with status 1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anybody_can_check_a_place_of_the_draw() {
    let node = TestNode::start().await;
    let (admin, id, joined) = early_room(&node, 4).await;
    let url = node.url();
    let check = async |more: &[&str]| {
        let asked = [&["queue", "check", "--url", &url, "--match", &id], more].concat();
        node.run(&asked).await
    };
    let path = format!("/api/matches/{id}/queue/draw");
    let hash = node.guest().get(&path).await.expect(200)["seedHash"].clone();
    let hash = hash.as_str().unwrap();
    let (code, text) = check(&["--ticket", "1"]).await;
    assert!(code == 1 && text.contains("not taken place yet") && text.contains(hash), "{text}");

    admin.post(&format!("/api/admin/matches/{id}/open"), &Value::Null).await.expect(200);
    let drawn = eventually("the draw", || async {
        let drawn = node.guest().get(&path).await.expect(200);
        drawn["seed"].is_string().then_some(drawn)
    })
    .await;
    for (fan, ticket) in &joined {
        let place = fan.get(&format!("/api/matches/{id}/queue")).await.expect(200);
        let (ticket, number) = (ticket.to_string(), place["number"].to_string());
        let asked = ["--ticket", &ticket, "--number", &number, "--seed-hash", hash];
        let (code, text) = check(&asked).await;
        assert!(code == 0 && text.contains(&format!("has the number {number},")), "{text}");
        let offline = ["queue", "check", "--drawn", "4", "--ticket", &ticket, "--number", &number];
        let seed = drawn["seed"].as_str().unwrap();
        let (code, text) = node.run(&[&offline[..], &["--seed", seed]].concat()).await;
        assert_eq!(code, 0, "{text}");
        let (code, text) = check(&["--ticket", &ticket, "--number", "9"]).await;
        assert!(code == 1 && text.contains("does not match"), "{text}");
    }
    let (code, text) = check(&["--ticket", "1", "--seed-hash", &"0".repeat(64)]).await;
    assert!(code == 1 && text.contains("does not match"), "{text}");
    let other = node.open_match().await;
    let asked = ["queue", "check", "--url", &url, "--match", &other.id, "--ticket", "1"];
    let (code, text) = node.run(&asked).await;
    assert!(code == 1 && text.contains("404 from"), "{text}");
    node.finish().await;
}

/// Otherwise the published seed would give other numbers than people have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draw_that_is_turned_off_before_the_opening_is_not_published() {
    let node = TestNode::start().await;
    let (admin, id, joined) = early_room(&node, 2).await;
    let path = format!("/api/matches/{id}/queue/draw");
    let before = node.guest().get(&path).await.expect(200);
    let change = async |random: bool| {
        let body = json!({"randomPreQueue": random});
        admin.patch(&format!("/api/admin/matches/{id}/queue"), &body).await.expect(200);
    };
    change(false).await;
    node.guest().get(&path).await.refused(404, "NO_DRAW");
    change(true).await;
    assert_eq!(node.guest().get(&path).await.expect(200), before, "the same seed");
    change(false).await;
    admin.post(&format!("/api/admin/matches/{id}/open"), &Value::Null).await.expect(200);
    for (fan, ticket) in &joined {
        eventually("the number is the ticket", || async {
            let place = fan.get(&format!("/api/matches/{id}/queue")).await.expect(200);
            (place["number"] == *ticket).then_some(())
        })
        .await;
    }
    let serving = format!("/api/matches/{id}/queue/serving");
    eventually("the room is known to have opened", || async {
        let serving = node.guest().get(&serving).await.expect(200);
        (serving["state"] == "PAUSED" && serving["waiting"] == 2).then_some(())
    })
    .await;
    node.guest().get(&path).await.refused(404, "NO_DRAW");
    change(true).await;
    let after = node.guest().get(&path).await.expect(200);
    assert_eq!((&after["seed"], &after["drawn"]), (&Value::Null, &Value::Null), "too late");
    node.finish().await;
}

/// All commands of docs/WAITING-ROOM.md run as they stand there, one after the other. Only the
/// address and the accounts are those of the test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_page_works() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    node.user("fan").await;
    let page = include_str!("../../docs/WAITING-ROOM.md");
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let script: String = ["set -eu\n"].into_iter().chain(blocks).collect();
    let script = script
        .replace("http://127.0.0.1:8080", &node.url())
        .replace("admin@grandstand.example demo-admin-1982", &format!("{} {}", ADMIN.0, ADMIN.1))
        .replace("fan@grandstand.example demo-fan-1982", "fan@test.example 'a password of tests'");
    let folder = tempfile::TempDir::new().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_grandstand")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let run = tokio::process::Command::new("sh")
        .args(["-c", &script])
        .env("PATH", path)
        .current_dir(folder.path())
        .kill_on_drop(true)
        .output();
    let run = tokio::time::timeout(std::time::Duration::from_secs(60), run);
    let output = run.await.expect("the commands end").unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    // Nobody else has joined, so the fan is the first.
    for expected in ["ticket 1 has the number 1, by the draw of 1 tickets", " number 1\n"] {
        assert!(text.contains(expected), "{expected}: {text}\n{errors}");
    }
    let admin = node.admin().await;
    admin.get(&fixture.path("")).await.expect(200);
    node.finish().await;
}
