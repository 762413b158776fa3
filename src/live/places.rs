//! The places for event streams of one node: so many in total, and so many of one address.

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

#[derive(Default)]
struct Taken {
    total: u32,
    per_address: HashMap<IpAddr, u32>,
}

/// The place of an open stream; its end frees it.
pub struct Place {
    taken: Arc<Mutex<Taken>>,
    address: IpAddr,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The address has all that it may have.
    Address,
    Node,
}

impl Places {
    /// Free places: `per_address` for each address, `total` for all.
    pub fn new(per_address: u32, total: u32) -> Self {
        Self { taken: Arc::default(), per_address, total }
    }

    /// A place for a stream of an address.
    pub fn take(&self, address: IpAddr) -> Result<Place, Full> {
        let mut taken = self.taken.lock();
        if taken.total >= self.total {
            return Err(Full::Node);
        }
        let mine = taken.per_address.entry(address).or_default();
        if *mine >= self.per_address {
            return Err(Full::Address);
        }
        *mine += 1;
        taken.total += 1;
        metrics::gauge!("grandstand_streams").set(f64::from(taken.total));
        Ok(Place { taken: self.taken.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        taken.total -= 1;
        metrics::gauge!("grandstand_streams").set(f64::from(taken.total));
        if let Some(count) = taken.per_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.per_address.remove(&self.address);
            }
        }
    }
}
