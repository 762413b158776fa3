//! Where a text is kept: every key of Redis, and every row of PostgreSQL.

use crate::support::node::TestNode;
use crate::support::postgres::sql;
use crate::support::wire::{Reply, done};

/// The keys of Redis and the tables of PostgreSQL that have the text, in order.
pub async fn traces_of(node: &TestNode, text: &str) -> Vec<String> {
    let mut found = in_redis(node.redis.port(), text).await;
    found.extend(in_postgresql(&node.settings.database_url, text).await);
    found
}

/// The keys that have the text in their name, their fields or their values.
async fn in_redis(port: u16, text: &str) -> Vec<String> {
    let mut keys = done(port, &["KEYS", "*"]).await.texts();
    keys.sort_unstable();
    let mut found = Vec::new();
    for key in keys {
        let kind = done(port, &["TYPE", &key]).await.text();
        let command: &[&str] = match &*kind {
            "string" => &["GET", &key],
            "hash" => &["HGETALL", &key],
            "list" => &["LRANGE", &key, "0", "-1"],
            "set" => &["SMEMBERS", &key],
            "zset" => &["ZRANGE", &key, "0", "-1"],
            "stream" => &["XRANGE", &key, "-", "+"],
            // It has ended since.
            "none" => continue,
            _ => panic!("a key of the type {kind}: {key}"),
        };
        if key.contains(text) || has(&done(port, command).await, text) {
            found.push(key);
        }
    }
    found
}

fn has(reply: &Reply, text: &str) -> bool {
    match reply {
        Reply::List(items) => items.iter().any(|item| has(item, text)),
        other => other.text().contains(text),
    }
}

/// The tables with a row that has the text in any of its columns, also as bytes.
async fn in_postgresql(url: &str, text: &str) -> Vec<String> {
    let tables = "select quote_ident(schemaname) || '.' || quote_ident(tablename) from pg_tables \
        where schemaname not in ('pg_catalog', 'information_schema') order by 1";
    let bytes: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut found = Vec::new();
    for table in sql(url, tables).await.concat() {
        let rows = format!(
            "select 1 from {table} kept where strpos(kept::text, '{text}') > 0 \
             or strpos(kept::text, '{bytes}') > 0 limit 1"
        );
        if !sql(url, &rows).await.is_empty() {
            found.push(table);
        }
    }
    found
}
