//! PostgreSQL stops the second sale of a seat when Redis has forgotten the first one. In runs this
//! is rare, because a partition that has lost something is loaded within a second.

use super::fan::{FIRST, ROOMY, SECOND, Verdict, check, id_of};
use super::hall::Hall;
use super::partition::Partition;
use crate::world::World;
use serde_json::json;

const SEAT: u32 = 1;

pub(super) async fn second_sale(hall: &Hall, world: &World) -> Verdict {
    let id = hall.on_sale(json!({})).await?;
    let partition = Partition::of(world, &id).await?;
    let (first, second) = (hall.fan(2), hall.fan(3));
    let hold = first.take(ROOMY, &id, &[SEAT]).await.expect(201)?;
    let sold = hall.buy(first, ROOMY, &id, &hold).await?;
    partition.forget_sale(&id, id_of(&sold), &SEAT.to_string()).await?;

    let hold = second.take(ROOMY, &id, &[SEAT]).await.expect(201)?;
    let wanted = second.reserve(ROOMY, &id, &hold).await.expect(201)?;
    let payment = second.request(SECOND, &wanted).await?;
    let key = hall.pay(&payment, "approve").await?;
    let reply = second.confirm(FIRST, &payment, &key).await;
    let sold_twice = format!("a seat that Redis has forgotten to be sold: {reply}");
    check(reply.is_refused("SEAT_SOLD"), sold_twice)?;

    // A worker loads the partition.
    partition.ask("HDEL", "partition", &["layout"]).await?;
    hall.wait(&id, &[SEAT], "OCCUPIED").await?;
    let read = first.read(SECOND, &sold).await?;
    check(read["status"] == "CONFIRMED", format!("the first sale is {read}"))
}
