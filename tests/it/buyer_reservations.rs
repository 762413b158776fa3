//! Who may read and cancel a reservation of a buyer. The path has no match and no site in it, so
//! that only the handler can refuse people of other sites.

use crate::roles::set_role;
use crate::support::client::Client;
use crate::support::node::plan;
use crate::support::sale::{Sale, path_of};
use serde_json::{Value, json};

/// Somebody with a role, at one site or at none.
async fn staff(sale: &Sale, name: &str, role: &Value) -> Client {
    let (admin, fan) = (sale.node.admin().await, sale.node.user(name).await);
    set_role(&admin, &fan, role).await.expect(200);
    sale.node.guest().log_in(&format!("{name}@test.example"), "a password of tests").await
}

/// It has to be a paid one, because others are not found, by nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sold_reservation_is_for_the_staff_of_its_site_only() {
    let sale = Sale::with(|_| {}).start().await;
    let sold = sale.sold(&[1, 2]).await;
    let elsewhere = sale.node.open_match_at(&plan()).await.site_id;
    let here = &sale.fixture.site_id;
    let organiser = |site: &str| json!({"role": "ORGANISER", "sites": [site]});
    let seller = |site: &str| json!({"role": "BOX_OFFICE", "sites": [site]});
    let organiser_here = staff(&sale, "organiser", &organiser(here)).await;
    let organiser_elsewhere = staff(&sale, "visitor", &organiser(&elsewhere)).await;
    let seller_here = staff(&sale, "seller", &seller(here)).await;
    let seller_elsewhere = staff(&sale, "seller-elsewhere", &seller(&elsewhere)).await;
    let support = staff(&sale, "support", &json!({"role": "SUPPORT"})).await;
    sale.node.verify().await;

    let path = path_of(&sold).replace("/api", "/api/admin");
    for reader in [&organiser_here, &seller_here, &support] {
        let read = reader.get(&path).await.expect(200);
        assert_eq!((&read["id"], &read["status"]), (&sold["id"], &json!("CONFIRMED")));
    }
    // The buyer is a fan, too.
    for stranger in [&organiser_elsewhere, &seller_elsewhere, &sale.fan] {
        stranger.get(&path).await.refused(403, "FORBIDDEN");
    }
    let cancel = format!("{path}/cancel");
    let all = json!({});
    let strangers = [&organiser_elsewhere, &seller_here, &seller_elsewhere, &support, &sale.fan];
    for stranger in strangers {
        stranger.post(&cancel, &all).await.refused(403, "FORBIDDEN");
    }
    assert_eq!(sale.node.ledger().await, ["DONE"], "nobody of them has given money back");
    let cancelled = organiser_here.post(&cancel, &all).await.expect(200);
    assert_eq!(cancelled["status"], "CANCELLED");
    assert_eq!(sale.node.wait_for_books().await, ["REFUNDED"]);
    assert_eq!(sale.node.ledger().await, ["CANCELED"]);
    sale.finish().await;
}

/// Also when another refund of the sale has come in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_cancel_of_an_organiser_hears_that_its_refund_is_done() {
    let sale = Sale::with(|_| {}).start().await;
    let sold = sale.sold(&[1, 2, 3]).await;
    let admin = sale.node.admin().await;
    let cancel = format!("{}/cancel", path_of(&sold).replace("/api", "/api/admin"));
    let seat = |id: u32| json!({"seatIds": [id]});
    admin.post_with_key(&cancel, &seat(1), "first").await.expect(200);
    admin.post_with_key(&cancel, &seat(2), "second").await.expect(200);
    let again = admin.post_with_key(&cancel, &seat(1), "first").await.expect(200);
    assert_eq!(again["payment"]["refunded"], 20_000);
    admin.post_with_key(&cancel, &seat(2), "second").await.expect(200);
    assert_eq!(sale.node.wait_for_books().await, ["PAID"]);
    let cancels = sale.node.ledger_entries().await[0]["cancels"].as_array().unwrap().len();
    assert_eq!(cancels, 2);
    sale.finish().await;
}
