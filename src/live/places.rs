//! The places of one node, for event streams and for connections: so many in total, and so many of
//! one address.

use metrics::Gauge;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// The places of a node.
pub struct Places {
    taken: Arc<Mutex<Taken>>,
    per_address: u32,
    total: u32,
}

struct Taken {
    total: u32,
    per_address: HashMap<IpAddr, u32>,
    /// Shows the total.
    gauge: Gauge,
}

/// A place that is taken; its end frees it.
pub struct Place {
    taken: Arc<Mutex<Taken>>,
    address: Option<IpAddr>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The address has all that it may have.
    Address,
    Node,
}

impl Places {
    /// Free places: `per_address` for each address, `total` for all; `gauge` shows how many are
    /// taken.
    pub fn new(per_address: u32, total: u32, gauge: Gauge) -> Self {
        let taken = Taken { total: 0, per_address: HashMap::new(), gauge };
        Self { taken: Arc::new(Mutex::new(taken)), per_address, total }
    }

    /// A place for an address; `None` is one that many people share, and may have all.
    pub fn take(&self, address: Option<IpAddr>) -> Result<Place, Full> {
        let mut taken = self.taken.lock();
        if taken.total >= self.total {
            return Err(Full::Node);
        }
        if let Some(address) = address {
            let mine = taken.per_address.entry(address).or_default();
            if *mine >= self.per_address {
                return Err(Full::Address);
            }
            *mine += 1;
        }
        taken.total += 1;
        taken.gauge.set(f64::from(taken.total));
        Ok(Place { taken: self.taken.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        taken.total -= 1;
        taken.gauge.set(f64::from(taken.total));
        let Some(address) = self.address else { return };
        if let Some(count) = taken.per_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                taken.per_address.remove(&address);
            }
        }
    }
}
