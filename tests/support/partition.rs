//! A whole partition in Redis: opened without a load, and looked at key by key.

use crate::support::engine::{PARTITION, TestEngine};
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use grandstand::engine::Engine;
use std::collections::{BTreeMap, HashMap};

/// Opens a partition under an epoch, with its present contents.
pub async fn open_partition(engine: &Engine, epoch: u64) {
    engine.close_partition(PARTITION).await.unwrap();
    let lease = engine.take_lease(PARTITION, "a test", 60_000).await.unwrap();
    let lease = lease.expect("nobody owns it");
    engine.open_partition(&lease, epoch).await.unwrap();
    engine.end_lease(&lease).await.unwrap();
}

impl TestEngine {
    /// Any command, for those that the client has no function for.
    pub async fn command(&self, name: &'static str, arguments: &[&str]) {
        let command = CustomCommand::new_static(name, ClusterHash::Random, false);
        let arguments: Vec<String> = arguments.iter().map(|part| (*part).to_owned()).collect();
        let _: Value = self.raw.custom(command, arguments).await.unwrap();
    }

    /// All fields of a hash.
    pub async fn hash(&self, key: String) -> HashMap<String, String> {
        self.raw.hgetall(key).await.unwrap()
    }

    /// Every key with its value in Redis's own form, but for the lease.
    pub async fn everything(&self) -> BTreeMap<String, Vec<u8>> {
        let custom = |name| CustomCommand::new_static(name, ClusterHash::Random, false);
        let keys: Vec<String> = self.raw.custom(custom("KEYS"), vec!["*"]).await.unwrap();
        let mut all = BTreeMap::new();
        for key in keys.into_iter().filter(|key| !key.ends_with(":lease")) {
            let value: Value = self.raw.custom(custom("DUMP"), vec![key.clone()]).await.unwrap();
            all.insert(key, value.as_bytes().unwrap().to_vec());
        }
        all
    }
}
