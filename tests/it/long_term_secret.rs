//! A new long-term secret: what was made under the older one counts for as long as the older one is
//! in the settings.

use crate::check_ins::{codes, scan};
use crate::second_factor::{App, PATH};
use crate::support::client::Answer;
use crate::support::sale::Sale;
use serde_json::json;

const OLD: &str = "a long-term secret that tests begin with";
const NEW: &str = "another long-term secret, the next one";
const GUARD: &str = "guard@test.example";
const PASSWORD: &str = "a password of tests";

async fn log_in(sale: &Sale, code: String) -> Answer {
    let body = json!({"email": GUARD, "password": PASSWORD, "code": code});
    sale.node.guest().post("/api/users/log-in", &body).await
}

/// Replaces the secrets, as an operator does: all processes start again.
async fn start_with(sale: &mut Sale, secret: &str, older: &str) {
    sale.node.settings.long_term_secret = secret.to_owned();
    sale.node.settings.long_term_secret_old = older.to_owned();
    sale.restart_node().await;
}

/// Tickets and second factors.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_under_the_older_secret_counts_until_it_is_taken_out() {
    let mut sale = Sale::with(|settings| settings.long_term_secret = OLD.to_owned()).start().await;
    let here = sale.fixture.id.clone();
    let reservation = sale.sold(&[1, 2]).await;
    let tickets = codes(&sale.fan, &reservation).await;
    let guard = sale.node.user("guard").await;
    let view = guard.post(PATH, &json!({"password": PASSWORD})).await.expect(200);
    let app = App::read(&view, GUARD).await;
    let first = json!({"setup": view["setup"], "code": app.code(-1), "password": PASSWORD});
    guard.put(PATH, &first).await.expect(204);
    sale.node.verify().await;

    start_with(&mut sale, NEW, OLD).await;
    let gate = sale.node.admin().await;
    assert_eq!(scan(&gate, &here, &tickets[0]).await.expect(200)["seat"]["seatId"], 1);
    log_in(&sale, app.code(0)).await.expect(200);
    let tickets_of_new = codes(&sale.fan, &reservation).await;
    assert_ne!(tickets_of_new, tickets, "new codes are made under the new secret");

    start_with(&mut sale, NEW, "").await;
    let gate = sale.node.admin().await;
    scan(&gate, &here, &tickets[1]).await.refused(404, "CODE_NOT_FOUND");
    assert_eq!(codes(&sale.fan, &reservation).await, tickets_of_new);
    assert_eq!(scan(&gate, &here, &tickets_of_new[1]).await.expect(200)["seat"]["seatId"], 2);
    log_in(&sale, app.code(1)).await.refused(403, "WRONG_SECOND_FACTOR");

    // It was the secret, and not the time.
    start_with(&mut sale, NEW, OLD).await;
    log_in(&sale, app.code(1)).await.expect(200);
    sale.finish().await;
}
