//! The scripts: their texts, their hashes, and how they are called. Each is a function in a library
//! of its own, because Redis keeps libraries with its data and copies them to its replicas. It
//! forgets the texts of EVAL when it restarts (docs/adr/0021-users-of-redis.md).

use crate::engine::error::EngineError;
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand, FromValue};
use fred::util::sha1_hash;
use std::sync::LazyLock;

/// How often one call may find that its function is gone. Each time it loads the library again.
const RELOADS_MAX: usize = 3;
/// The letters of a hash that are part of a name.
const HASH_LETTERS: usize = 12;

/// The names of all libraries, of all releases, begin with this.
pub(super) const LIBRARY_NAMES: &str = "grandstand_";

/// A library of functions, as Redis has it.
struct Functions {
    text: String,
    name: String,
}

impl Functions {
    /// `text` makes the text of the library from the hash that all its names end in, so that two
    /// releases can run side by side. Returns the hash too.
    fn new(name: &str, text: impl Fn(&str) -> String) -> (Self, String) {
        let hash = sha1_hash(&text(""))[..HASH_LETTERS].to_owned();
        let name = format!("{name}_{hash}");
        (Self { text: format!("#!lua name={name}\n{}", text(&hash)), name }, hash)
    }

    /// Runs a function once. Its outcome is unknown when the call ends without a reply.
    async fn call<R: FromValue>(
        &self,
        client: &Client,
        function: &str,
        keys: Vec<Key>,
        arguments: Vec<Value>,
    ) -> Result<R, Error> {
        for _ in 0..RELOADS_MAX {
            match client.fcall(function, keys.clone(), arguments.clone()).await {
                // It was deleted, or this is not the same server as at the start.
                Err(error) if error.details().contains("Function not found") => {
                    self.load(client).await?;
                    // A server that is just getting the slot runs it only after ASKING, which other
                    // servers ignore.
                    let asking = CustomCommand::new_static("ASKING", ClusterHash::Random, false);
                    let _: Result<Value, Error> = client.custom(asking, Vec::<String>::new()).await;
                }
                other => return other,
            }
        }
        let text = "the library of functions was deleted again and again";
        Err(Error::new(ErrorKind::NotFound, text))
    }

    /// Whether Redis has the library. Redis refuses to load it when it is out of memory.
    async fn is_there(&self, client: &Client) -> Result<bool, Error> {
        let there: Vec<Value> = client.function_list(Some(self.name.as_str()), false).await?;
        Ok(!there.is_empty())
    }

    async fn load(&self, client: &Client) -> Result<(), Error> {
        let loaded: Result<String, Error> = client.function_load(true, self.text.as_str()).await;
        match loaded {
            Ok(_) => Ok(()),
            Err(error) if error.details().starts_with("NOPERM") => {
                let text = "Redis does not have the functions of this release, and this user may \
                    not load them: run `grandstand migrate` with a user that may";
                Err(Error::new(ErrorKind::Auth, text))
            }
            Err(error) => Err(error),
        }
    }
}

/// A script: a library with one function.
pub struct Script {
    functions: Functions,
    function: String,
}

impl Script {
    /// Joins the parts. The last one has the name of the script. A script that is `freeing` also
    /// runs when Redis is out of memory, because memory can only be freed when such scripts run.
    fn new(name: &str, parts: &[&str], freeing: bool) -> Self {
        let name = name.trim_end_matches(".lua");
        let flags = if freeing { "'allow-oom'" } else { "" };
        let text = |hash: &str| {
            format!(
                "local function run(KEYS, ARGV)\n{}\nend\n\
                 redis.register_function{{ function_name = '{name}_{hash}', callback = run,\n\
                 \x20 flags = {{ {flags} }} }}\n",
                parts.join("\n")
            )
        };
        let (functions, hash) = Functions::new(&format!("grandstand_{name}"), text);
        Self { functions, function: format!("{name}_{hash}") }
    }

    /// Runs the script once. Its outcome is unknown when the call ends without a reply.
    pub async fn call<R: FromValue>(
        &self,
        client: &Client,
        keys: Vec<Key>,
        arguments: Vec<Value>,
    ) -> Result<R, Error> {
        self.functions.call(client, &self.function, keys, arguments).await
    }
}

macro_rules! lua {
    (freeing $($name:literal),*) => { lua!(@ true, $($name),*) };
    ($($name:literal),*) => { lua!(@ false, $($name),*) };
    (@ $freeing:literal, $($name:literal),*) => {{
        let parts: &[&str] = &[$(include_str!(concat!("../../lua/", $name))),*];
        let names: &[&str] = &[$($name),*];
        Script::new(names[names.len() - 1], parts, $freeing)
    }};
}

macro_rules! queue_lua {
    ($name:literal) => {
        lua!("lib/clock.lua", "lib/states.lua", "lib/passes.lua", "lib/queue.lua", $name)
    };
}

macro_rules! sessions_lua {
    ($name:literal) => {
        lua!("lib/clock.lua", "lib/sessions.lua", "lib/trail.lua", $name)
    };
}

/// The library of the seat batch.
pub struct Library {
    functions: Functions,
    run: String,
    run_freeing: String,
}

impl Library {
    /// Joins the parts, with the registration at the end.
    fn new(parts: &[&str]) -> Self {
        let text = |hash: &str| {
            format!(
                "{}\nredis.register_function('seat_batch_{hash}', seat_batch)\n\
                 redis.register_function{{ function_name = 'seat_batch_freeing_{hash}',\n\
                 \x20 callback = seat_batch, flags = {{ 'allow-oom' }} }}\n",
                parts.join("\n")
            )
        };
        let (functions, hash) = Functions::new("grandstand", text);
        let [run, run_freeing] =
            ["seat_batch", "seat_batch_freeing"].map(|name| format!("{name}_{hash}"));
        Self { functions, run, run_freeing }
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
        self.functions.call(client, function, keys, arguments).await
    }
}

/// The parts of the library, each before those that use it.
pub(super) const SEAT_BATCH: &[&str] = &[
    include_str!("../../lua/lib/clock.lua"),
    include_str!("../../lua/lib/text.lua"),
    include_str!("../../lua/lib/operation.lua"),
    include_str!("../../lua/lib/states.lua"),
    include_str!("../../lua/lib/passes.lua"),
    include_str!("../../lua/lib/bill.lua"),
    include_str!("../../lua/lib/record.lua"),
    include_str!("../../lua/lib/summary.lua"),
    include_str!("../../lua/lib/batch.lua"),
    include_str!("../../lua/lib/conduct.lua"),
    include_str!("../../lua/lib/claims.lua"),
    include_str!("../../lua/lib/ending.lua"),
    include_str!("../../lua/lib/seats.lua"),
    include_str!("../../lua/lib/limit.lua"),
    include_str!("../../lua/lib/giving_back.lua"),
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
    pub check_in: Script,
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
    pub deadline_end: Script,
    pub permit_take: Script,
    pub holder_keep: Script,
    pub holder_end: Script,
    pub clock_read: Script,
    pub clock_tick: Script,
}

/// The scripts of this release.
pub static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| Scripts {
    seat_batch: Library::new(SEAT_BATCH),
    account_create: lua!(
        "lib/clock.lua",
        "lib/operation.lua",
        "lib/trail.lua",
        "account_create.lua"
    ),
    operation_mark: lua!("lib/clock.lua", "lib/operation.lua", "operation_mark.lua"),
    account_change: sessions_lua!("account_change.lua"),
    account_mail: lua!("account_mail.lua"),
    session_start: sessions_lua!("session_start.lua"),
    session_rotate: sessions_lua!("session_rotate.lua"),
    session_end: lua!(
        freeing "lib/clock.lua", "lib/sessions.lua", "lib/trail.lua", "session_end.lua"
    ),
    catalog_put: lua!("lib/clock.lua", "lib/operation.lua", "lib/trail.lua", "catalog_put.lua"),
    catalog_delete: lua!(freeing "lib/clock.lua", "lib/trail.lua", "catalog_delete.lua"),
    trail_add: lua!(freeing "lib/trail.lua", "trail_add.lua"),
    check_in: lua!(
        "lib/clock.lua",
        "lib/operation.lua",
        "lib/text.lua",
        "lib/states.lua",
        "lib/record.lua",
        "lib/money.lua",
        "lib/trail.lua",
        "check_in.lua"
    ),
    match_snapshot: lua!(freeing "match_snapshot.lua"),
    queue_place: queue_lua!("queue_place.lua"),
    queue_leave: lua!(freeing "queue_leave.lua"),
    queue_admit: lua!(
        "lib/clock.lua",
        "lib/operation.lua",
        "lib/states.lua",
        "lib/passes.lua",
        "lib/queue.lua",
        "lib/trail.lua",
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
    dead_letter_end: lua!(freeing "dead_letter_end.lua"),
    deadline_end: lua!(
        freeing "lib/states.lua", "lib/record.lua", "lib/conduct.lua", "deadline_end.lua"
    ),
    permit_take: lua!("permit_take.lua"),
    holder_keep: lua!("lib/clock.lua", "holder_keep.lua"),
    holder_end: lua!(freeing "holder_end.lua"),
    clock_read: lua!(freeing "lib/clock.lua", "clock_read.lua"),
    clock_tick: lua!(freeing "lib/clock.lua", "clock_tick.lua"),
});

impl Scripts {
    /// The libraries of this release.
    fn libraries(&self) -> Vec<&Functions> {
        let scripts = [
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
            &self.check_in,
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
            &self.deadline_end,
            &self.permit_take,
            &self.holder_keep,
            &self.holder_end,
            &self.clock_read,
            &self.clock_tick,
        ];
        let libraries = scripts.into_iter().map(|script| &script.functions);
        libraries.chain([&self.seat_batch.functions]).collect()
    }

    /// The names of the libraries of this release.
    pub(super) fn library_names(&self) -> Vec<&str> {
        self.libraries().into_iter().map(|functions| functions.name.as_str()).collect()
    }

    /// Loads the libraries that a server does not have. Returns how many.
    ///
    /// # Errors
    /// A library does not compile, or this user of Redis may not load it.
    pub async fn load(&self, client: &Client) -> Result<usize, EngineError> {
        let mut loaded = 0;
        for functions in self.libraries() {
            if !functions.is_there(client).await? {
                functions.load(client).await?;
                loaded += 1;
            }
        }
        Ok(loaded)
    }
}
