//! Attempts that Redis has forgotten: a failover loses the begin of a payment while the node that
//! began it stands still. The buyer pays again, and then this node wakes up and takes its attempt
//! back. That is not the attempt that is under way.

use super::fan::{FIRST, Fan, ROOMY, Reply, SECOND, Verdict, check, id_of};
use super::hall::{Hall, eventually};
use super::partition::{Partition, Record};
use super::sleeper::{Sleeper, with_sleepers};
use super::unattended::Pause;
use crate::world::World;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinHandle;

/// A worker that stops has asked Redis for entries, which come to it for a second.
const READ_PAUSE: Duration = Duration::from_millis(1_200);

/// Somebody whose payment is about to begin.
struct Buyer<'a> {
    fan: &'a Fan,
    reservation: Value,
    payment: Value,
    key: String,
    record: Record,
}

impl<'a> Buyer<'a> {
    async fn begin(
        hall: &Hall,
        fan: &'a Fan,
        id: &str,
        seat: u32,
        partition: &Partition,
    ) -> Verdict<Self> {
        let hold = fan.take(ROOMY, id, &[seat]).await.expect(201)?;
        let reservation = fan.reserve(ROOMY, id, &hold).await.expect(201)?;
        let payment = fan.request(FIRST, &reservation).await?;
        let key = hall.pay(&payment, "approve").await?;
        let record = partition.record(id_of(&reservation)).await?;
        Ok(Self { fan, reservation, payment, key, record })
    }

    async fn pay(&self, node: &Sleeper) -> Verdict<JoinHandle<Reply>> {
        let body = json!({"paymentId": self.payment["id"], "paymentKey": self.key,
            "orderId": self.payment["orderId"], "amount": self.payment["amount"]});
        node.begin(self.fan, "/api/payments/confirm", body, "").await
    }

    /// A node begins the payment, and Redis loses this. `attempts` is what it still knows.
    async fn forgotten(
        &self,
        node: &Sleeper,
        partition: &Partition,
        attempts: &str,
    ) -> Verdict<JoinHandle<Reply>> {
        let call = self.pay(node).await?;
        let reservation = id_of(&self.reservation);
        let now = partition.record(reservation).await?;
        partition.replace(&now, &format!("{}{attempts}", self.record.line)).await?;
        partition.lose_entry(reservation).await?;
        Ok(call)
    }

    /// The payment begins again at another node. Then the first one wakes up without PostgreSQL.
    async fn again(
        &self,
        nodes: (&Sleeper, &Sleeper),
        call: JoinHandle<Reply>,
        what: &str,
    ) -> Verdict {
        let second = self.pay(nodes.1).await?;
        nodes.0.cut();
        let replies = (nodes.0.wake(call).await?, nodes.1.wake(second).await?);
        for reply in [replies.0, replies.1] {
            let text = format!("{what} was taken back with an earlier one: {reply}");
            check(!reply.is_refused("PAYMENTS_PAUSED"), text)?;
        }
        eventually(&format!("{what} is a sale"), async || {
            let read = self.fan.read(SECOND, &self.reservation).await?;
            Ok((read["status"] == "CONFIRMED").then_some(()))
        })
        .await?;
        self.fan.cancel(FIRST, &self.reservation, Value::Null).await.expect(200)?;
        Ok(())
    }
}

/// Another payment has the number of the attempt that was forgotten, and the next attempt of the
/// same payment has the next number.
pub(super) async fn forgotten_attempts(hall: &Hall, world: &World) -> Verdict {
    with_sleepers(world, "begin.after", 4, async |nodes| {
        let id = hall.on_sale(json!({})).await?;
        let partition = Partition::of(world, &id).await?;
        let mut other = Buyer::begin(hall, hall.fan(14), &id, 1, &partition).await?;
        let same = Buyer::begin(hall, hall.fan(15), &id, 2, &partition).await?;
        let pause = Pause::begin(world).await?;
        tokio::time::sleep(READ_PAUSE).await;
        let first = other.forgotten(&nodes[0], &partition, "").await?;
        let second = same.forgotten(&nodes[1], &partition, "1").await?;
        drop(pause);
        other.payment = other.fan.request(SECOND, &other.reservation).await?;
        other.key = hall.pay(&other.payment, "approve").await?;
        let (other, same) = tokio::join!(
            other.again((&nodes[0], &nodes[2]), first, "another payment"),
            same.again((&nodes[1], &nodes[3]), second, "another attempt"),
        );
        other.and(same)
    })
    .await
}
