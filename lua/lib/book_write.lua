-- Writes the book: one multi-value call per structure, one stream entry per match.
local MANY = 6000 -- arguments per call; unpack is bounded by Lua's stack of 8,000

-- `size`: how many of the list's places are in use.
local function write_many(command, key, list, size)
  for first = 1, size, MANY do
    redis.call(command, key, unpack(list, first, math.min(first + MANY - 1, size)))
  end
end

local function write_claims()
  local set, due, gone, undue = {}, {}, {}, {}
  local sets, dues, ends, undues = 0, 0, 0, 0
  for number = 1, book.changes do
    local claim = book.changed[number]
    local id = claim.id
    if claim.over then
      ends = ends + 1
      gone[ends] = id
    else
      set[sets + 1], set[sets + 2], sets = id, claim_text(claim), sets + 2
    end
    if not claim.over and (claim.state == 'H' or claim.state == 'P') then
      due[dues + 1], due[dues + 2], dues = whole(claim.deadline), id, dues + 2
    else
      undues = undues + 1
      undue[undues] = id
    end
  end
  write_many('HSET', book.key.claims, set, sets)
  write_many('HDEL', book.key.claims, gone, ends)
  write_many('ZADD', book.key.due, due, dues)
  write_many('ZREM', book.key.due, undue, undues)
end

-- Sets the fields that have a value, deletes the others.
local function write_hash(key, fields, size, value_of)
  local set, gone, sets, ends = {}, {}, 0, 0
  for number = 1, size do
    local field = fields[number]
    local value = value_of[field]
    if value and value ~= '' then
      set[sets + 1], set[sets + 2], sets = field, value, sets + 2
    else
      ends = ends + 1
      gone[ends] = field
    end
  end
  write_many('HSET', key, set, sets)
  write_many('HDEL', key, gone, ends)
end

local function write_match(match)
  if match.version == match.version_before then return end
  write_hash(match.key.seats, match.seat_changed, match.seat_changes, match.seat)
  write_hash(match.key.users, match.user_changed, match.user_changes, match.user)
  local version = whole(match.version)
  redis.call('HSET', match.key.meta, 'version', version)
  write_many('ZREM', match.key.passes, match.passes_used, #match.passes_used)
  local told, count = {}, 0
  for number = 1, match.seat_changes do
    local seat = match.seat_changed[number]
    local value = match.seat[seat]
    told[count + 1], told[count + 2] = seat, value and value:sub(1, 1) or 'A'
    told[count + 3], count = ',', count + 3
  end
  -- `p` is the version before: a reader that stands at another one has missed an entry.
  redis.call('XADD', match.key.changes, 'MAXLEN', '~', 10000, '*', 'v', version,
    'p', whole(match.version_before), 'd', table.concat(told, '', 1, math.max(0, count - 1)))
end

local function book_write(matches)
  write_claims()
  local payments = {}
  for payment in pairs(book.payments) do payments[#payments + 1] = payment end
  write_hash(book.key.payments, payments, #payments, book.payments)
  for _, match in ipairs(matches) do if match.status then write_match(match) end end
  for _, entry in ipairs(book.facts) do
    local id = redis.call('XADD', book.key.journal, '*', 'v', '1', unpack(entry.fields))
    entry.reply[#entry.reply + 1] = id
  end
  local kept, count = {}, 0
  for field, text in pairs(book.ended) do
    kept[count + 1], kept[count + 2], count = field, text, count + 2
  end
  for field, stored in pairs(book.operations) do
    local text = stored.fingerprint .. ' ' .. reply_text(stored.reply)
    kept[count + 1], kept[count + 2], count = field, text, count + 2
  end
  operation_store(book.ring, kept, count)
end
