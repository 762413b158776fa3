-- Reads ahead what the commands of a batch name: one multi-key read per structure, and a second one
-- for the claims of users who have several. What that leads to, such as the claim of the owner of a
-- wanted seat, is read when a command needs it.

-- The answers that are stored under the Idempotency-Keys of the batch, of this period or of the one
-- before.
local function read_answers(batch)
  local names = {}
  for _, operation in pairs(batch.arguments.operation) do names[#names + 1] = operation end
  if #names == 0 then return end
  local current = read_many(batch.ring.current, names, #names)
  local previous = read_many(batch.ring.previous, names, #names)
  for number, name in ipairs(names) do
    batch.answers[name] = current[number] or previous[number] or nil
  end
end

-- Reads the fields where commands look for claims by id, for the users who have a summary.
local function read_buckets(batch)
  local fields, size, users, hold_of = {}, 0, batch.user_of, batch.arguments.hold
  for command = 1, #users do
    local user = users[command]
    if batch.summaries[user] then
      fields[size + 1], size = bucket_of_command(batch, command), size + 1
      local hold = hold_of[command]
      if hold then fields[size + 1], size = bucket_field(user, hold), size + 1 end
    end
  end
  read_fields(batch, fields, size)
end

-- Records stay text until a command needs them as claims.
local function read_records(batch)
  read_fields(batch, batch.user_of, #batch.user_of)
  if next(batch.summaries) then read_buckets(batch) end
end

local function read_matches(batch, KEYS)
  -- While a partition is being loaded, its matches are there before all of their seats are. A
  -- partition with another layout was loaded by another release; the worker loads it again.
  local loaded = batch.layout == LAYOUT
  local matches = {}
  for number = 1, #batch.match_ids do
    local first = 8 + (number - 1) * 5
    local key = {
      meta = KEYS[first], seats = KEYS[first + 1], passes = KEYS[first + 2],
      changes = KEYS[first + 3], check_ins = KEYS[first + 4],
    }
    local meta = redis.call('HMGET', key.meta, 'status', 'version', 'queue_enabled',
      'sale_opens_at', 'sale_closes_at', 'queue_pass_ttl_ms', 'refund_terms',
      'one_hold')
    local version, names = tonumber(meta[2] or 0), batch.seats_named[number]
    matches[number] = {
      id = batch.match_ids[number], key = key,
      status = loaded and match_status(meta[1], meta[4], meta[5], batch.now),
      -- False for a match that an earlier release has stored.
      refund_terms = meta[7], one_hold = meta[8] == '1',
      -- In ms as text; nil for a sale that is ended by hand.
      closes_at = meta[5] and #meta[5] == 13 and meta[5] or nil,
      queue = meta[3] == '1', version = version, version_before = version,
      -- Life of a pass in ms. Users whose pass has ended in this batch, and users who have more or
      -- fewer seats than before.
      pass_ttl = meta[6], passes_used = {}, buyers = {},
      -- The seats that the commands name, and the value of each in Redis.
      names = names, found = read_many(key.seats, names, #names),
      -- Values by seat: in Redis, and as this batch has changed them (false: free).
      stored = {}, changed = {},
    }
  end
  return matches
end
