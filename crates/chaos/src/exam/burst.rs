//! Calls that a node sends to Redis together: each sees what those before it have done.

use super::fan::{FIRST, Fan, ROOMY, Verdict, check};
use super::hall::Hall;
use futures::future::join_all;
use serde_json::{Value, json};

const PEOPLE: usize = 20;
const ROUNDS: usize = 4;

/// A hold that is given back and reserved at the same moment is one of both.
pub(super) async fn released_and_reserved(hall: &Hall) -> Verdict {
    let id = hall.on_sale(json!({})).await?;
    for _ in 0..ROUNDS {
        let visits = (0..PEOPLE).map(|number| visit(hall, &id, number));
        join_all(visits).await.into_iter().collect::<Verdict<Vec<()>>>()?;
    }
    Ok(())
}

async fn visit(hall: &Hall, id: &str, number: usize) -> Verdict {
    let (fan, seat) = (hall.fan(number), 1 + number as u32);
    let hold = fan.take(FIRST, id, &[seat]).await.expect(201)?;
    // The calls of a person meet those of all others on their way.
    let (first, second, third) = tokio::join!(
        fan.release(FIRST, id, &hold),
        fan.reserve(FIRST, id, &hold),
        again(fan, id, seat),
    );
    let (released, reserved) = (first.status == 204, second.status == 201);
    let text = format!("a hold was given back ({first}) and reserved ({second})");
    check(released != reserved, text)?;
    if reserved {
        fan.cancel(FIRST, &second.expect(201)?, Value::Null).await.expect(200)?;
    }
    if let Some(hold) = third? {
        fan.release(ROOMY, id, &hold).await.expect(204)?;
    }
    Ok(())
}

/// Wants the same seat once more.
async fn again(fan: &Fan, id: &str, seat: u32) -> Verdict<Option<Value>> {
    let reply = fan.take(FIRST, id, &[seat]).await;
    if reply.status == 409 {
        return Ok(None);
    }
    reply.expect(201).map(Some)
}
