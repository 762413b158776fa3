//! The scripts: their texts, their hashes, and how they are called.

use crate::engine::error::EngineError;
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand, FromValue};
use fred::util::sha1_hash;
use std::sync::LazyLock;

/// A script with its SHA-1, which is its name inside Redis.
pub struct Script {
    text: String,
    hash: String,
}

impl Script {
    fn new(parts: &[&str]) -> Self {
        let text = parts.join("\n");
        let hash = sha1_hash(&text);
        Self { text, hash }
    }

    /// A script that also runs when Redis is out of memory, because memory can only be freed when
    /// such scripts run.
    fn freeing(parts: &[&str]) -> Self {
        let flags = ["#!lua flags=allow-oom"];
        Self::new(&[flags.as_slice(), parts].concat())
    }

    /// Runs the script once. Its outcome is unknown when the call ends without a reply.
    pub async fn call<R: FromValue>(
        &self,
        client: &Client,
        keys: Vec<Key>,
        arguments: Vec<Value>,
    ) -> Result<R, Error> {
        let first: Result<R, Error> =
            client.evalsha(&self.hash, keys.clone(), arguments.clone()).await;
        match first {
            // EVAL loads the script on the very server that has to run it. A server that is just
            // getting the slot accepts it only after ASKING, which other servers ignore.
            Err(error) if error.details().starts_with("NOSCRIPT") => {
                let asking = CustomCommand::new_static("ASKING", ClusterHash::Random, false);
                let _: Result<Value, Error> = client.custom(asking, Vec::<String>::new()).await;
                client.eval(self.text.as_str(), keys, arguments).await
            }
            other => other,
        }
    }

    async fn load(&self, client: &Client) -> Result<(), EngineError> {
        let loaded: String = client.script_load(self.text.as_str()).await?;
        if loaded != self.hash {
            return Err(EngineError::BadReply(format!("SCRIPT LOAD returned {loaded}")));
        }
        Ok(())
    }
}

macro_rules! lua {
    (freeing $($name:literal),*) => {
        Script::freeing(&[$(include_str!(concat!("../../lua/", $name))),*])
    };
    ($($name:literal),*) => { Script::new(&[$(include_str!(concat!("../../lua/", $name))),*]) };
}

macro_rules! queue_lua {
    ($name:literal) => {
        lua!("lib/clock.lua", "lib/states.lua", "lib/passes.lua", "lib/queue.lua", $name)
    };
}

macro_rules! sessions_lua {
    ($name:literal) => {
        lua!("lib/clock.lua", "lib/sessions.lua", $name)
    };
}

/// How often one call may find that its function is gone. Each time it loads the library again.
const RELOADS_MAX: usize = 3;

/// The library of the seat batch. Redis creates the functions of a library once, and those of a
/// script with each call.
pub struct Library {
    /// All parts, with the registration at the end.
    text: String,
    name: String,
    run: String,
    run_freeing: String,
}

impl Library {
    /// All names have a hash of the text in them, so that two releases can run side by side.
    fn new(parts: &[&str]) -> Self {
        let text = |hash: &str| {
            format!(
                "#!lua name=grandstand_{hash}\n{}\n\
                 redis.register_function('seat_batch_{hash}', seat_batch)\n\
                 redis.register_function{{ function_name = 'seat_batch_freeing_{hash}',\n\
                 \x20 callback = seat_batch, flags = {{ 'allow-oom' }} }}\n",
                parts.join("\n")
            )
        };
        let hash = sha1_hash(&text(""))[..12].to_owned();
        let [name, run, run_freeing] =
            ["grandstand", "seat_batch", "seat_batch_freeing"].map(|name| format!("{name}_{hash}"));
        let text = text(&hash);
        Self { text, name, run, run_freeing }
    }

    /// Runs a batch once. A `freeing` batch also runs when Redis is out of memory. The outcome is
    /// unknown when the call ends without a reply.
    pub async fn call(
        &self,
        client: &Client,
        freeing: bool,
        keys: Vec<Key>,
        arguments: Vec<Value>,
    ) -> Result<String, Error> {
        let function = if freeing { &self.run_freeing } else { &self.run };
        for _ in 0..RELOADS_MAX {
            let reply = client.fcall(function.as_str(), keys.clone(), arguments.clone()).await;
            match reply {
                // It was deleted, or this is not the same server as at the start.
                Err(error) if error.details().contains("Function not found") => {
                    self.load(client, true).await?;
                }
                other => return other,
            }
        }
        let text = "the library of functions was deleted again and again";
        Err(Error::new(ErrorKind::NotFound, text))
    }

    /// Loads the library. At a start it does so only where the library is missing, because Redis
    /// refuses to load it when it is out of memory.
    async fn load(&self, client: &Client, missed: bool) -> Result<(), Error> {
        let there: Vec<Value> = client.function_list(Some(self.name.as_str()), false).await?;
        if !missed && !there.is_empty() {
            return Ok(());
        }
        let _: String = client.function_load(true, self.text.as_str()).await?;
        Ok(())
    }
}

/// The parts of the library, each before those that use it.
pub(super) const SEAT_BATCH: &[&str] = &[
    include_str!("../../lua/lib/clock.lua"),
    include_str!("../../lua/lib/text.lua"),
    include_str!("../../lua/lib/operation.lua"),
    include_str!("../../lua/lib/states.lua"),
    include_str!("../../lua/lib/passes.lua"),
    include_str!("../../lua/lib/record.lua"),
    include_str!("../../lua/lib/summary.lua"),
    include_str!("../../lua/lib/batch.lua"),
    include_str!("../../lua/lib/conduct.lua"),
    include_str!("../../lua/lib/claims.lua"),
    include_str!("../../lua/lib/ending.lua"),
    include_str!("../../lua/lib/seats.lua"),
    include_str!("../../lua/lib/limit.lua"),
    include_str!("../../lua/lib/facts.lua"),
    include_str!("../../lua/lib/money.lua"),
    include_str!("../../lua/lib/refund.lua"),
    include_str!("../../lua/lib/batch_passes.lua"),
    include_str!("../../lua/lib/batch_write.lua"),
    include_str!("../../lua/lib/batch_read.lua"),
    include_str!("../../lua/seat/hold.lua"),
    include_str!("../../lua/seat/forget.lua"),
    include_str!("../../lua/seat/release.lua"),
    include_str!("../../lua/seat/reserve.lua"),
    include_str!("../../lua/seat/payment.lua"),
    include_str!("../../lua/seat/outcome.lua"),
    include_str!("../../lua/seat/cancel.lua"),
    include_str!("../../lua/seat/refund.lua"),
    include_str!("../../lua/seat/block.lua"),
    include_str!("../../lua/seat/archive.lua"),
    include_str!("../../lua/seat/again.lua"),
    include_str!("../../lua/seat_batch.lua"),
];

/// All scripts of the engine.
pub struct Scripts {
    pub seat_batch: Library,
    pub account_create: Script,
    pub account_change: Script,
    pub account_mail: Script,
    pub operation_mark: Script,
    pub session_start: Script,
    pub session_rotate: Script,
    pub session_end: Script,
    pub catalog_put: Script,
    pub catalog_delete: Script,
    pub trail_add: Script,
    pub match_snapshot: Script,
    pub queue_place: Script,
    pub queue_leave: Script,
    pub queue_admit: Script,
    pub queue_draw: Script,
    pub queue_let_in: Script,
    pub lease_take: Script,
    pub lease_keep: Script,
    pub journal_told: Script,
    pub load_close: Script,
    pub load_clear: Script,
    pub load_put: Script,
    pub load_open: Script,
    pub partition_halt: Script,
    pub dead_letter_end: Script,
    pub permit_take: Script,
    pub holder_keep: Script,
    pub holder_end: Script,
    pub clock_read: Script,
    pub clock_tick: Script,
}

/// The scripts of this release.
pub static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| Scripts {
    seat_batch: Library::new(SEAT_BATCH),
    account_create: lua!("lib/clock.lua", "lib/operation.lua", "account_create.lua"),
    operation_mark: lua!("lib/clock.lua", "lib/operation.lua", "operation_mark.lua"),
    account_change: sessions_lua!("account_change.lua"),
    account_mail: lua!("account_mail.lua"),
    session_start: sessions_lua!("session_start.lua"),
    session_rotate: sessions_lua!("session_rotate.lua"),
    session_end: sessions_lua!("session_end.lua"),
    catalog_put: lua!("lib/clock.lua", "lib/operation.lua", "lib/trail.lua", "catalog_put.lua"),
    catalog_delete: lua!("lib/clock.lua", "lib/trail.lua", "catalog_delete.lua"),
    trail_add: lua!("lib/trail.lua", "trail_add.lua"),
    match_snapshot: lua!("match_snapshot.lua"),
    queue_place: queue_lua!("queue_place.lua"),
    queue_leave: lua!("queue_leave.lua"),
    queue_admit: lua!(
        "lib/clock.lua",
        "lib/operation.lua",
        "lib/states.lua",
        "lib/passes.lua",
        "lib/queue.lua",
        "queue_admit.lua"
    ),
    queue_draw: queue_lua!("queue_draw.lua"),
    queue_let_in: queue_lua!("queue_let_in.lua"),
    lease_take: lua!(freeing "lease_take.lua"),
    lease_keep: lua!(freeing "lease_keep.lua"),
    journal_told: lua!(freeing "lib/fence.lua", "journal_told.lua"),
    load_close: lua!(freeing "lib/fence.lua", "load_close.lua"),
    load_clear: lua!(freeing "lib/fence.lua", "load_clear.lua"),
    load_put: lua!("lib/fence.lua", "load_put.lua"),
    load_open: lua!(freeing "lib/fence.lua", "load_open.lua"),
    partition_halt: lua!(freeing "lib/fence.lua", "partition_halt.lua"),
    dead_letter_end: lua!("dead_letter_end.lua"),
    permit_take: lua!("permit_take.lua"),
    holder_keep: lua!("lib/clock.lua", "holder_keep.lua"),
    holder_end: lua!(freeing "holder_end.lua"),
    clock_read: lua!("lib/clock.lua", "clock_read.lua"),
    clock_tick: lua!(freeing "lib/clock.lua", "clock_tick.lua"),
});

impl Scripts {
    /// Loads all scripts; an error when one does not compile.
    pub async fn load(&self, client: &Client) -> Result<(), EngineError> {
        let all = [
            &self.account_create,
            &self.account_change,
            &self.account_mail,
            &self.operation_mark,
            &self.session_start,
            &self.session_rotate,
            &self.session_end,
            &self.catalog_put,
            &self.catalog_delete,
            &self.trail_add,
            &self.match_snapshot,
            &self.queue_place,
            &self.queue_leave,
            &self.queue_admit,
            &self.queue_draw,
            &self.queue_let_in,
            &self.lease_take,
            &self.lease_keep,
            &self.journal_told,
            &self.load_close,
            &self.load_clear,
            &self.load_put,
            &self.load_open,
            &self.partition_halt,
            &self.dead_letter_end,
            &self.permit_take,
            &self.holder_keep,
            &self.holder_end,
            &self.clock_read,
            &self.clock_tick,
        ];
        for script in all {
            script.load(client).await?;
        }
        Ok(self.seat_batch.load(client, false).await?)
    }
}
