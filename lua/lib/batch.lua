-- The batch: its commands, what it has read from Redis, and what its commands have changed.
-- Commands see the changes of earlier commands here, before Redis does. A command checks everything
-- first and then changes the batch; `batch_write` writes all changes at the end, and nothing in it
-- can refuse.

-- Commands are stored by column: `batch.user_of[3]` is the user of command 3. These columns
-- (`batch_open` has them all) have a value for every command. `seats_before` says where the seats
-- of a command begin in the list of seats of its match.

-- The other columns, `batch.arguments.amount`, have a value only for the commands that need it. The
-- header of each file in `lua/seat` says which arguments a command has.
local ARGUMENTS = {
  'operation', 'fingerprint', 'amount', 'amounts', 'choice_size', 'named', 'orphans',
  'prices', 'bill', 'hold', 'payment', 'method', 'payment_key', 'money', 'attempt', 'outcome',
  'code', 'extra_ms', 'fact', 'step', 'refund', 'seat_value', 'right', 'extent', 'remains',
}

-- A column that no command of a batch has.
local NO_VALUES = {}
local missing_columns = { __index = {} }
-- Redis has no `ipairs` yet when it loads a library.
for number = 1, #ARGUMENTS do missing_columns.__index[ARGUMENTS[number]] = NO_VALUES end

-- The commands by name; the files in `lua/seat` add theirs.
local commands = {}

-- Values in a row cost less than a list of them. A batch is never so large that Lua's stack would
-- not take them (COMMANDS_PER_CALL in src/engine/waiting.rs).
local function unpack_column(packed)
  return { cmsgpack.unpack(packed) }
end

-- Reads fields of a hash; false for a field that is not there.
local function read_many(key, names, size)
  local all = {}
  for first = 1, size, UNPACK_MAX do
    local last = math.min(first + UNPACK_MAX - 1, size)
    local found = redis.call('HMGET', key, unpack(names, first, last))
    if size <= UNPACK_MAX then return found end
    for number = 1, #found do all[first + number - 1] = found[number] end
  end
  return all
end

local function batch_open(KEYS, ARGV)
  local clock = clock_read(KEYS[1])
  local now = clock_now(clock)
  local setting = unpack_column(ARGV[1])
  return {
    now = now, layout = clock.layout, halted = clock.halted,
    -- Deadlines are compared as text: until the year 2286 they all have 13 digits.
    now_text = whole(now),
    -- The deadline of a new claim, by its state.
    deadline_of = {
      [CLAIM.HOLD] = whole(now + setting[1]), [CLAIM.PENDING] = whole(now + setting[2]),
    },
    -- The time to hold seats and to pay, in ms, by the state of the claim.
    life_of = { [CLAIM.HOLD] = setting[1], [CLAIM.PENDING] = setting[2] },
    -- Of 0, the last two set no limit.
    seats_per_user = setting[3], holds_per_window = setting[4], cool_after = setting[5],
    match_ids = { unpack(setting, 6) },
    name_of = unpack_column(ARGV[2]), match_of = unpack_column(ARGV[3]),
    id_of = unpack_column(ARGV[4]), user_of = unpack_column(ARGV[5]),
    seat_count_of = unpack_column(ARGV[6]), seats_before_of = unpack_column(ARGV[7]),
    arguments = setmetatable(cmsgpack.unpack(ARGV[8]), missing_columns),
    -- By match: the seats that its commands name.
    seats_named = cmsgpack.unpack(ARGV[9]),
    key = { claims = KEYS[2], due = KEYS[3], journal = KEYS[4] },
    ring = operation_ring({ KEYS[5], KEYS[6], KEYS[7] }, now),
    -- By field of the hash of claims: its records as text, and its claims once a command has
    -- needed them. By user: the summary and the conduct, or nothing.
    records = {}, claims = {}, summaries = {}, conduct = {},
    -- By command, once it was needed: the field of its claim, unless that is the user's first one.
    bucket_of = {},
    -- The fields that are written at the end, as a set.
    fields_changed = {},
    -- By the time at which a claim may end: its field.
    due = {},
    notes = {}, seats_moved = 0, facts = {}, replies = {},
    -- Under an Idempotency-Key: stored answers, the commands of this batch, and the commands that
    -- repeat an earlier one of this batch.
    answers = {}, operations = {}, repeats = {},
  }
end

local function next_version(match)
  match.version = match.version + 1
  return match.version
end

local function field_changed(batch, field)
  batch.fields_changed[field] = true
end

local function claim_changed(batch, claim)
  -- The fields that were not read yet are in the text, which is not true any more.
  if not rawget(claim, 'version') then record_load_rest(claim) end
  claim.text = false
  field_changed(batch, claim.field)
end

-- A claim in this field ends at this time, unless it ends or moves on before.
local function due_at(batch, time, field)
  local fields = batch.due[time]
  if not fields then
    fields = {}
    batch.due[time] = fields
  end
  fields[#fields + 1] = field
end

-- Whether the deadline of a live claim may have passed. Each deadline has an entry in `due` at its
-- time or before, which stays until the claim has ended or moved on.
local function has_overdue(batch)
  if batch.overdue == nil then
    local first = redis.call('ZRANGE', batch.key.due, 0, 0, 'WITHSCORES')
    batch.overdue = first[2] ~= nil and tonumber(first[2]) <= batch.now
  end
  return batch.overdue
end
