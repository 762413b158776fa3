-- Writes the changes of a batch: one multi-value call per structure, one stream entry per match.

-- Sets some fields of a hash and deletes others; the sizes are the numbers of values in the lists.
local function write_hash(key, set, set_size, deleted, deleted_size)
  write_many('HSET', key, set, set_size)
  write_many('HDEL', key, deleted, deleted_size)
end

local function write_records(batch)
  local set, deleted, set_size, deleted_size = {}, {}, 0, 0
  for field in pairs(batch.fields_changed) do
    local text, claims, summary = batch.records[field], batch.claims[field], batch.summaries[field]
    local conduct = batch.conduct[field]
    if claims then text = records_text(text, claims) end
    if conduct then text = conduct_text(conduct, text) end
    if summary then text = summary_text(summary, text) end
    if text then
      set[set_size + 1], set[set_size + 2], set_size = field, text, set_size + 2
    else
      deleted_size = deleted_size + 1
      deleted[deleted_size] = field
    end
  end
  write_hash(batch.key.claims, set, set_size, deleted, deleted_size)
end

-- One entry per deadline of the batch, which is mostly one entry for all of its new claims. The
-- entry begins with its time, because the same fields at another time must be another entry.
local function write_due(batch)
  local scored, size = {}, 0
  for time, fields in pairs(batch.due) do
    local entry = time .. ' ' .. table.concat(fields, ',')
    scored[size + 1], scored[size + 2], size = time, entry, size + 2
  end
  write_many('ZADD', batch.key.due, scored, size)
end

-- Writes the seats that have changed, and returns the text for the watchers: the letter of each
-- state with its seats by comma.
local function write_seats(match)
  local set, freed, set_size, freed_size, seats_of_letter = {}, {}, 0, 0, {}
  for seat, value in pairs(match.changed) do
    if value then
      set[set_size + 1], set[set_size + 2], set_size = seat, value, set_size + 2
      local letter = value:byte()
      local seats = seats_of_letter[letter]
      if seats then seats[#seats + 1] = seat else seats_of_letter[letter] = { seat } end
    else
      freed_size = freed_size + 1
      freed[freed_size] = seat
    end
  end
  write_hash(match.key.seats, set, set_size, freed, freed_size)
  local parts = {}
  if freed_size > 0 then parts[1] = SEAT.AVAILABLE .. table.concat(freed, ',') end
  for letter, seats in pairs(seats_of_letter) do
    parts[#parts + 1] = string.char(letter) .. table.concat(seats, ',')
  end
  return table.concat(parts, ';')
end

local function write_match(batch, match)
  if match.version == match.version_before then return end
  local changes = write_seats(match)
  local version = whole(match.version)
  redis.call('HSET', match.key.meta, 'version', version)
  write_passes(batch, match)
  -- `p` is the version before this entry: a reader at another version has missed an entry.
  redis.call('XADD', match.key.changes, 'MAXLEN', '~', 10000, '*', 'v', version,
    'p', whole(match.version_before), 'd', changes)
end

-- Each reply of a command with a fact gets the id of the journal entry at its end.
local function write_facts(batch)
  for _, fact in ipairs(batch.facts) do
    local id = redis.call('XADD', batch.key.journal, '*', 'v', '1.2', unpack(fact.fields))
    batch.replies[fact.command] = batch.replies[fact.command] .. ' ' .. id
  end
end

-- The notes, and the answers under an Idempotency-Key.
local function write_ring(batch)
  local pairs_flat, size = {}, 0
  for field, text in pairs(batch.notes) do
    pairs_flat[size + 1], pairs_flat[size + 2], size = field, text, size + 2
  end
  for field, number in pairs(batch.operations) do
    local text = batch.arguments.fingerprint[number] .. ' ' .. batch.replies[number]
    pairs_flat[size + 1], pairs_flat[size + 2], size = field, text, size + 2
  end
  operation_store(batch.ring, pairs_flat, size)
end

local function batch_write(batch, matches)
  write_records(batch)
  write_due(batch)
  for _, match in ipairs(matches) do if match.status then write_match(batch, match) end end
  write_facts(batch)
  write_ring(batch)
end
