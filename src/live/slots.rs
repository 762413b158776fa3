//! The slots of a node for event streams, and for connections: their number is bounded in total and
//! per address.

use metrics::Gauge;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// The slots of a node.
pub struct Slots {
    usage: Arc<Mutex<Usage>>,
    per_address_max: u32,
    total_max: u32,
}

/// The slots that are in use.
struct Usage {
    total: u32,
    per_address: HashMap<IpAddr, u32>,
    /// Shows the total.
    gauge: Gauge,
}

/// A slot that is in use; its drop frees it.
pub struct Slot {
    usage: Arc<Mutex<Usage>>,
    address: Option<IpAddr>,
}

/// Why there is no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The address uses all of its slots.
    Address,
    /// The node uses all of its slots.
    Node,
}

impl Slots {
    /// Free slots: `per_address_max` for each address, `total_max` for all. `gauge` shows how many
    /// are in use.
    pub fn new(per_address_max: u32, total_max: u32, gauge: Gauge) -> Self {
        let usage = Usage { total: 0, per_address: HashMap::new(), gauge };
        Self { usage: Arc::new(Mutex::new(usage)), per_address_max, total_max }
    }

    /// Takes a slot for an address. `None` is an address that many people share: it may use all
    /// slots.
    pub fn take(&self, address: Option<IpAddr>) -> Result<Slot, Full> {
        let mut usage = self.usage.lock();
        if usage.total >= self.total_max {
            return Err(Full::Node);
        }
        if let Some(address) = address {
            let count = usage.per_address.entry(address).or_default();
            if *count >= self.per_address_max {
                return Err(Full::Address);
            }
            *count += 1;
        }
        usage.total += 1;
        usage.gauge.set(f64::from(usage.total));
        Ok(Slot { usage: self.usage.clone(), address })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut usage = self.usage.lock();
        usage.total -= 1;
        usage.gauge.set(f64::from(usage.total));
        let Some(address) = self.address else { return };
        if let Some(count) = usage.per_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                usage.per_address.remove(&address);
            }
        }
    }
}
