//! The list of a fan's reservations.

use crate::support::sale::Sale;
use grandstand::config::Settings;
use serde_json::Value;

fn ids(list: &Value) -> Vec<String> {
    let all = list["reservations"].as_array().unwrap().iter();
    all.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// Those in Redis and those that only PostgreSQL has are in one order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_reservations_are_complete_and_without_repeats() {
    let change = |settings: &mut Settings| settings.max_seats_per_user = 20;
    let sale = Sale::with(change).start().await;
    let mut made = Vec::new();
    for seat in 1..=7 {
        let reservation = sale.sold(&[seat]).await;
        if seat % 3 == 0 {
            // From here on only PostgreSQL has it.
            sale.cancel(&reservation, &Value::Null).await.expect(200);
        }
        made.push(reservation["id"].as_str().unwrap().to_owned());
    }
    let open = sale.fan.reserve(&sale.fixture.id, &[8]).await;
    made.push(open["id"].as_str().unwrap().to_owned());
    made.reverse();
    sale.node.verify().await;
    let all = sale.fan.get("/api/reservations").await.expect(200);
    assert_eq!((ids(&all), &all["nextCursor"]), (made.clone(), &Value::Null));
    for limit in [1, 2, 3, 8] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/reservations?limit={limit}{cursor}");
            let page = sale.fan.get(&path).await.expect(200);
            assert!(ids(&page).len() <= limit);
            seen.extend(ids(&page));
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, made, "limit {limit}");
    }
    for wrong in ["limit=0", "limit=201", "cursor=1", "cursor=-1_x", "status=PAID"] {
        let path = format!("/api/reservations?{wrong}");
        sale.fan.get(&path).await.refused(400, "VALIDATION");
    }
    sale.finish().await;
}
