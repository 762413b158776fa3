//! Finds out which server has which partition: from the URL alone, from the sentinels, which name
//! their master, or from the nodes of a cluster, which name the owners of the slots.

use crate::domain::ids::Partition;
use crate::redis::COMMAND_TIMEOUT_MS;
use crate::redis::keys::PartitionKeys;
use crate::redis::link::Link;
use fred::prelude::*;
use fred::types::config::{Server, ServerConfig};
use fred::types::{ClusterHash, CustomCommand};
use futures::future::join_all;
use std::collections::HashMap;
use std::time::Duration;

/// A server that takes longer to reply is skipped this time. A longer timeout delays a failover, a
/// shorter one skips busy servers.
const REPLY_TIMEOUT: Duration = Duration::from_millis(700);

/// The configuration of a plain client for one server, with the credentials of the URL.
pub(super) fn config_for(config: &Config, server: &Server) -> Config {
    let server = ServerConfig::Centralized { server: server.clone() };
    Config { server, ..config.clone() }
}

/// The owner of each partition, by number; `None` where no server knows it.
/// `known`: open connections to servers of the installation. They are asked first.
pub(super) async fn owners(
    config: &Config,
    partitions: u16,
    known: &HashMap<Server, Client>,
) -> Vec<Option<Server>> {
    let all = usize::from(partitions);
    match &config.server {
        ServerConfig::Centralized { server } => vec![Some(server.clone()); all],
        ServerConfig::Sentinel { hosts, service_name } => {
            vec![master_of(config, hosts, service_name).await; all]
        }
        ServerConfig::Clustered { hosts, .. } => cluster_owners(config, hosts, all, known).await,
        ServerConfig::Unix { .. } => vec![None; all],
    }
}

fn custom(name: &'static str) -> CustomCommand {
    CustomCommand::new_static(name, ClusterHash::Random, false)
}

/// Sends one command on a connection of its own.
async fn ask_once<R: fred::types::FromValue>(
    config: Config,
    command: &'static str,
    arguments: Vec<&str>,
) -> Option<R> {
    let asked = async {
        let link = Link::open(config, COMMAND_TIMEOUT_MS).await?;
        link.custom::<R, _>(custom(command), arguments).await
    };
    tokio::time::timeout(REPLY_TIMEOUT, asked).await.ok()?.ok()
}

/// The master, as the sentinel with the greatest configuration epoch names it: a sentinel that was
/// cut off may still name an earlier master.
async fn master_of(config: &Config, sentinels: &[Server], service: &str) -> Option<Server> {
    let asking = sentinels.iter().map(|sentinel| {
        // Most sentinels have no password, and never that of the master. They have no databases.
        let plain = Config {
            username: None,
            password: None,
            database: None,
            ..config_for(config, sentinel)
        };
        ask_once::<HashMap<String, String>>(plain, "SENTINEL", vec!["MASTER", service])
    });
    let replies = join_all(asking).await.into_iter().flatten();
    let known = replies.filter_map(|fields| {
        let epoch: u64 = fields.get("config-epoch")?.parse().ok()?;
        let port: u16 = fields.get("port")?.parse().ok()?;
        Some((epoch, Server::new(fields.get("ip")?.clone(), port)))
    });
    known.max_by_key(|(epoch, _)| *epoch).map(|(_, server)| server)
}

async fn cluster_owners(
    config: &Config,
    seeds: &[Server],
    partitions: usize,
    known: &HashMap<Server, Client>,
) -> Vec<Option<Server>> {
    let mut views = views_of(known).await;
    if views.is_empty() {
        let asking = seeds.iter().map(|seed| async move {
            let text: Option<String> =
                ask_once(config_for(config, seed), "CLUSTER", vec!["NODES"]).await;
            text.map(|text| (seed.clone(), text))
        });
        views = join_all(asking).await.into_iter().flatten().collect();
    }
    let mut claims = Vec::new();
    for (server, view) in &views {
        claims.extend(view.lines().filter_map(|line| claim(server, line)));
    }
    (0..partitions).map(|number| owner_of(Partition(number as u16), &claims)).collect()
}

async fn views_of(known: &HashMap<Server, Client>) -> Vec<(Server, String)> {
    let asking = known.iter().map(|(server, client)| async move {
        let nodes = client.custom::<String, _>(custom("CLUSTER"), vec!["NODES"]);
        let text = tokio::time::timeout(REPLY_TIMEOUT, nodes).await.ok()?.ok()?;
        Some((server.clone(), text))
    });
    join_all(asking).await.into_iter().flatten().collect()
}

/// The slots of a master, as one line of CLUSTER NODES has them.
struct SlotClaim {
    server: Server,
    config_epoch: u64,
    /// First and last slot of each range.
    ranges: Vec<(u16, u16)>,
}

/// Reads `id host:port@bus,name flags master ping pong epoch state slots…`; `None` for a node
/// without slots. `asked`: the server that replied, because a server may not know its own address.
fn claim(asked: &Server, line: &str) -> Option<SlotClaim> {
    let field: Vec<&str> = line.split(' ').collect();
    let flags = field.get(2)?;
    if !flags.split(',').any(|flag| flag == "master") {
        return None;
    }
    let address = field[1].split(['@', ',']).next()?;
    let (host, port) = address.rsplit_once(':')?;
    let host = if host.is_empty() { asked.host.to_string() } else { host.to_owned() };
    let range = |text: &&str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    // A slot that is moving is written as `[slot->-node]`, and is in a range as well.
    let ranges: Vec<(u16, u16)> = field.get(8..)?.iter().filter_map(range).collect();
    let mut server = Server::new(host, port.parse().ok()?);
    // The certificate of a server has its name rather than its address.
    let name = field[1].split(',').nth(1).filter(|name| !name.is_empty() && !name.contains('='));
    server.tls_server_name = name.map(Into::into);
    let claim = SlotClaim { server, config_epoch: field.get(6)?.parse().ok()?, ranges };
    (!claim.ranges.is_empty()).then_some(claim)
}

/// Nodes may disagree while a slot or a master changes: the greatest configuration epoch wins, as
/// it does among the nodes themselves.
fn owner_of(partition: Partition, claims: &[SlotClaim]) -> Option<Server> {
    let slot = fred::util::redis_keyslot(PartitionKeys(partition).lease().as_bytes());
    let has = |claim: &&SlotClaim| {
        claim.ranges.iter().any(|(first, last)| (*first..=*last).contains(&slot))
    };
    let owner = claims.iter().filter(has).max_by_key(|claim| claim.config_epoch);
    owner.map(|claim| claim.server.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: (&str, u16) = ("10.0.0.9", 7000);

    fn claims(view: &str) -> Vec<SlotClaim> {
        let asked = Server::new(ASKED.0, ASKED.1);
        view.lines().filter_map(|line| claim(&asked, line)).collect()
    }

    /// The slot of `{0}` is 13907, the slot of `{1}` is 9842.
    #[test]
    fn the_owner_with_the_greatest_epoch_has_a_slot() {
        let old = "a 10.0.0.1:7001@17001 master - 0 0 3 connected 0-8000 13907\n\
            b :7000@17000 myself,master - 0 0 2 connected 8001-13906 [9842->-a]\n\
            c 10.0.0.3:7003@17003,name slave a 0 0 3 connected\n\
            d 10.0.0.4:7004@17004 master - 0 0 9 connected";
        let all = claims(old);
        assert_eq!(all.len(), 2, "a replica and a master without slots have no claim");
        let owner = |claims: &[SlotClaim], number| {
            owner_of(Partition(number), claims).map(|server| server.to_string())
        };
        assert_eq!(owner(&all, 0).as_deref(), Some("10.0.0.1:7001"));
        assert_eq!(owner(&all, 1).as_deref(), Some("10.0.0.9:7000"), "the server that was asked");
        let newer = "c 10.0.0.3:7003@17003 master - 0 0 4 connected 0-8000 13907";
        let both: Vec<SlotClaim> = claims(&format!("{old}\n{newer}"));
        assert_eq!(owner(&both, 0).as_deref(), Some("10.0.0.3:7003"));
        assert_eq!(owner(&claims(newer), 1), None);
    }
}
