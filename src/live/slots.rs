//! The slots of a node for event streams, and for connections: their number is bounded in total and
//! per holder.

use metrics::Gauge;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Who a slot counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    Address(IpAddr),
    Block(IpAddr),
    User(u128),
}

/// The slots of a node.
pub struct Slots(Arc<Mutex<Usage>>);

/// The slots that are in use.
struct Usage {
    total: u32,
    per_holder: HashMap<Holder, u32>,
    /// Shows the total.
    gauge: Gauge,
}

/// A slot that is in use; its drop frees it.
pub struct Slot {
    usage: Arc<Mutex<Usage>>,
    holders: [Option<Holder>; 2],
}

/// Why there is no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// A holder uses all of its slots.
    Holder,
    /// The node uses all of its slots.
    Node,
}

impl Slots {
    /// Free slots. `gauge` shows how many are in use.
    pub fn new(gauge: Gauge) -> Self {
        Self(Arc::new(Mutex::new(Usage { total: 0, per_holder: HashMap::new(), gauge })))
    }

    /// Takes a slot for up to two holders, each with its bound. Without a holder it counts for the
    /// node alone, because many people share it. `total_max`: the bound of the node.
    pub fn take(&self, bounds: &[(Holder, u32)], total_max: u32) -> Result<Slot, Full> {
        let mut usage = self.0.lock();
        if usage.total >= total_max {
            return Err(Full::Node);
        }
        let used = |holder| usage.per_holder.get(holder).copied().unwrap_or_default();
        if bounds.iter().any(|(holder, most)| used(holder) >= *most) {
            return Err(Full::Holder);
        }
        let mut holders = [None; 2];
        for (place, (holder, _)) in holders.iter_mut().zip(bounds) {
            *usage.per_holder.entry(*holder).or_default() += 1;
            *place = Some(*holder);
        }
        usage.total += 1;
        usage.gauge.set(f64::from(usage.total));
        Ok(Slot { usage: self.0.clone(), holders })
    }
}

/// The slots of the connections of a listener.
pub struct ConnectionSlots {
    slots: Slots,
    per_address_max: u32,
    /// Half of all, so that nobody with a network of addresses takes all of them.
    per_block_max: u32,
    total_max: u32,
}

impl ConnectionSlots {
    /// Free slots: `per_address_max` for each address, half of `total_max` for each block of
    /// addresses, `total_max` for all.
    pub fn new(per_address_max: u32, total_max: u32, gauge: Gauge) -> Self {
        let per_block_max = per_address_max.max(total_max / 2);
        Self { slots: Slots::new(gauge), per_address_max, per_block_max, total_max }
    }

    /// Takes a slot for an address and its block, until it is dropped. Without an address it is a
    /// connection of a proxy, which has the connections of many callers.
    pub fn take(&self, caller: Option<(IpAddr, IpAddr)>) -> Result<Slot, Full> {
        let bounds = caller.map(|(address, block)| {
            let address = (Holder::Address(address), self.per_address_max);
            [address, (Holder::Block(block), self.per_block_max)]
        });
        self.slots.take(bounds.as_ref().map_or(&[], |bounds| bounds.as_slice()), self.total_max)
    }
}

impl Slot {
    /// Whether it counts for a user.
    pub fn is_of_user(&self) -> bool {
        matches!(self.holders[0], Some(Holder::User(_)))
    }

    /// From now on it counts for the node alone.
    pub fn leave_holders(&mut self) {
        let mut usage = self.usage.lock();
        for holder in self.holders.iter_mut().filter_map(Option::take) {
            if let Some(count) = usage.per_holder.get_mut(&holder) {
                *count -= 1;
                if *count == 0 {
                    usage.per_holder.remove(&holder);
                }
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.leave_holders();
        let mut usage = self.usage.lock();
        usage.total -= 1;
        usage.gauge.set(f64::from(usage.total));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_addresses_has_at_most_half_of_the_connections() {
        let slots = ConnectionSlots::new(3, 10, Gauge::noop());
        let take = |address: [u8; 4]| {
            let [a, b, c, _] = address;
            slots.take(Some((address.into(), [a, b, c, 0].into())))
        };
        let mut taken: Vec<Slot> = (0..3).map(|_| take([10, 0, 0, 1]).unwrap()).collect();
        assert_eq!(take([10, 0, 0, 1]).err(), Some(Full::Holder));
        taken.extend((2..4).map(|last| take([10, 0, 0, last]).unwrap()));
        assert_eq!(take([10, 0, 0, 9]).err(), Some(Full::Holder), "five of ten are of this block");
        taken.push(take([10, 0, 1, 1]).unwrap());
        taken.extend((0..4).map(|_| slots.take(None).unwrap()));
        assert_eq!(take([10, 0, 2, 1]).err(), Some(Full::Node));
    }

    #[test]
    fn a_slot_counts_for_its_holders_until_it_is_dropped() {
        let slots = Slots::new(Gauge::noop());
        let (anna, block) = (Holder::User(1), Holder::Block(IpAddr::from([1, 2, 3, 0])));
        let first = slots.take(&[(anna, 1), (block, 2)], 3).unwrap();
        assert!(first.is_of_user());
        assert_eq!(slots.take(&[(anna, 1)], 3).err(), Some(Full::Holder));
        let mut second = slots.take(&[(block, 2)], 3).unwrap();
        assert_eq!(slots.take(&[(block, 2)], 3).err(), Some(Full::Holder));
        second.leave_holders();
        let third = slots.take(&[(block, 2)], 3).unwrap();
        assert_eq!(slots.take(&[], 3).err(), Some(Full::Node));
        drop((first, second, third));
        assert!(slots.0.lock().per_holder.is_empty() && slots.0.lock().total == 0);
    }
}
