//! Text that looks the same is the same text, whatever device it was typed on.

use crate::support::node::{TestNode, plan};
use grandstand::api::users::new_account;
use grandstand::domain::account::Role;
use grandstand::engine::operation::Operation;
use serde_json::{Value, json};

/// A password as one letter per syllable, and as its single sounds, as macOS types it.
const COMPOSED: &str = "비밀번호열여덟글자";
const DECOMPOSED: &str = "\u{1107}\u{1175}\u{1106}\u{1175}\u{11af}\u{1107}\u{1165}\u{11ab}\u{1112}\
    \u{1169}\u{110b}\u{1167}\u{11af}\u{110b}\u{1167}\u{1103}\u{1165}\u{11b2}\
    \u{1100}\u{1173}\u{11af}\u{110c}\u{1161}";

fn credentials(email: &str, password: &str) -> Value {
    json!({"email": email, "password": password})
}

/// Keyboards put the letters of a script together in different ways.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_works_on_every_device() {
    assert_ne!(COMPOSED, DECOMPOSED);
    let node = TestNode::start().await;
    let guest = node.guest();
    for (name, here, there) in [
        ("a", COMPOSED, DECOMPOSED),
        ("b", DECOMPOSED, COMPOSED),
        ("c", "ｐａｓｓｗｏｒｄ　ｏｆ　ｆａｎｓ", "password of fans"),
        ("d", "password\u{200b} of two", "password of two"),
        ("e", "🔑\u{fe0f}🔑\u{fe0f}12345678", "🔑🔑12345678"),
    ] {
        let email = format!("{name}@test.example");
        guest.post("/api/users/sign-up", &credentials(&email, here)).await.expect(201);
        guest.log_in(&email, here).await;
        guest.log_in(&email, there).await;
        let wrong = credentials(&email, "another password");
        guest.post("/api/users/log-in", &wrong).await.refused(401, "BAD_CREDENTIALS");
    }
    // 128 letters are 128 in every form; invisible characters do not count.
    let long = DECOMPOSED.repeat(14);
    guest.post("/api/users/sign-up", &credentials("long@test.example", &long)).await.expect(201);
    guest.log_in("long@test.example", &COMPOSED.repeat(14)).await;
    guest.log_in("long@test.example", &long).await;
    let hidden = credentials("hidden@test.example", "\u{200b}\u{2060}\u{200d}12345");
    guest.post("/api/users/sign-up", &hidden).await.refused(400, "VALIDATION");
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_was_stored_as_typed_still_works() {
    let node = TestNode::start().await;
    let services = node.services();
    for (email, password) in
        [("old@test.example", DECOMPOSED), ("ol\u{200b}d@test.example", "ｐａｓｓｗｏｒｄ１２")]
    {
        let account =
            new_account(services, email.to_owned(), password.to_owned(), Role::User).await;
        services.engine.create_account(&account.unwrap(), Operation::default()).await.unwrap();
        node.guest().log_in(email, password).await;
        let again = credentials(email, "a password of tests");
        let again = node.guest().post("/api/users/sign-up", &again).await;
        again.refused(409, "EMAIL_TAKEN");
    }
    node.finish().await;
}

/// Also when it is written differently and leads to the same mailbox.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_email_that_looks_the_same_has_one_account() {
    let node = TestNode::start().await;
    let guest = node.guest();
    let sign_up = async |email: &str| {
        guest.post("/api/users/sign-up", &credentials(email, "a password of tests")).await
    };
    let made = sign_up("fan@test.example").await.expect(201);
    assert_eq!(made["email"], "fan@test.example");
    for email in [
        "f\u{200b}an@test.example",
        "\u{feff}fan@test.example",
        "fan@test.exam\u{ad}ple",
        "fan\u{3164}@test.example",
        "fan@test.example\u{202e}",
        "ｆａｎ＠ｔｅｓｔ．ｅｘａｍｐｌｅ",
        "\u{3000}fan@TEST.example\u{a0}",
    ] {
        sign_up(email).await.refused(409, "EMAIL_TAKEN");
        guest.log_in(email, "a password of tests").await;
    }
    sign_up("유나@한국.example").await.expect(201);
    for email in ["유나@한국.example", "유나@xn--3e0b707e.example", "유나@XN--3E0B707E.example"]
    {
        sign_up(email).await.refused(409, "EMAIL_TAKEN");
    }
    for email in ["fan@test.example.", "fan@.example", "fan@test..example", "\u{200b}@test.example"]
    {
        sign_up(email).await.refused(400, "VALIDATION");
    }
    node.finish().await;
}

/// Invisible characters do not make two texts different.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_seats_have_the_same_printed_place() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let pointers = async |change: &dyn Fn(&mut Value)| {
        let mut plan = plan();
        change(&mut plan);
        let problem = admin.post("/api/admin/sites", &plan).await.refused(400, "VALIDATION");
        let errors = problem["errors"].as_array().unwrap().clone();
        let field = |error: &Value| error["field"].as_str().unwrap().to_owned();
        errors.iter().map(field).collect::<Vec<_>>()
    };
    let block = |at: usize| format!("/areas/0/sections/0/blocks/{at}");
    let names = pointers(&|plan| {
        plan["areas"][0]["sections"][0]["blocks"][1]["name"] = json!("１０１");
        plan["areas"][0]["sections"][0]["blocks"][1]["rows"][0]["label"] = json!("１");
    });
    assert_eq!(names.await, [block(1) + "/rows/0"]);
    let hidden = pointers(&|plan| plan["areas"][0]["name"] = json!("In\u{200b}field"));
    assert_eq!(hidden.await, ["/areas/0/name"]);
    let site = admin.post("/api/admin/sites", &plan()).await.expect(201);
    for team in ["LG\u{202e}Twins", "\u{200b}"] {
        let body = json!({"siteId": site["id"], "homeTeam": team, "awayTeam": "Doosan Bears",
            "startsAt": "2030-05-05T05:00:00Z"});
        let problem = admin.post("/api/admin/matches", &body).await.refused(400, "VALIDATION");
        assert_eq!(problem["errors"][0]["field"], "homeTeam");
    }
    node.finish().await;
}
