//! A limit of an address, with a larger one of its block. Without the second, somebody who has many
//! addresses of IPv6 would have no limit.

use crate::api::address::block_of;
use crate::api::error::ApiError;
use crate::api::limits::bucket::{Bucket, LimitClock, Window};
use crate::api::limits::standings::Standings;
use std::net::IpAddr;

/// A block of addresses may do this many times what one address may. Lower: a campus is refused.
/// Higher: somebody with many addresses of IPv6 gets more.
pub(super) const BLOCK_FACTOR: u32 = 10;

/// The limit of an address and of its block.
pub(super) struct AddressLimit {
    of_address: Bucket<IpAddr>,
    of_block: Bucket<IpAddr>,
}

impl AddressLimit {
    /// `count` calls of an address within the window. The names are those of the two limits.
    pub(super) fn new(
        [of_address, of_block]: [&'static str; 2],
        count: u32,
        window: Window,
        clock: &LimitClock,
    ) -> Self {
        Self {
            of_address: Bucket::new(of_address, count, window, clock),
            of_block: Bucket::new(of_block, count.saturating_mul(BLOCK_FACTOR), window, clock),
        }
    }

    /// Counts a call of an address.
    pub(super) fn count(&self, address: IpAddr, standings: &mut Standings) -> Result<(), ApiError> {
        standings.add(self.of_address.take(&address))?;
        standings.add(self.of_block.take(&block_of(address)))
    }

    /// Drops the addresses whose buckets are full again.
    pub(super) fn tidy(&self) {
        self.of_address.tidy();
        self.of_block.tidy();
    }
}
