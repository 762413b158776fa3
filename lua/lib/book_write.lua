-- Writes the book: one multi-value call per structure, one stream entry per match.
local MANY = 6000 -- arguments per call; unpack is bounded by Lua's stack of 8,000

local function write_many(command, key, list)
  for first = 1, #list, MANY do
    redis.call(command, key, unpack(list, first, math.min(first + MANY - 1, #list)))
  end
end

local function put(list, value)
  list[#list + 1] = value
end

local function put_pair(list, field, value)
  local count = #list
  list[count + 1], list[count + 2] = field, value
end

local function write_claims()
  local set, gone, due, undue = {}, {}, {}, {}
  for id, claim in pairs(book.changed) do
    if claim.over then put(gone, id) else put_pair(set, id, claim_text(claim)) end
    if not claim.over and (claim.state == 'H' or claim.state == 'P') then
      put_pair(due, string.format('%.0f', claim.deadline), id)
    else
      put(undue, id)
    end
  end
  write_many('HSET', book.key.claims, set)
  write_many('HDEL', book.key.claims, gone)
  write_many('ZADD', book.key.due, due)
  write_many('ZREM', book.key.due, undue)
  local named, unnamed = {}, {}
  for payment, claim in pairs(book.payments) do
    if claim then put_pair(named, payment, claim) else put(unnamed, payment) end
  end
  write_many('HSET', book.key.payments, named)
  write_many('HDEL', book.key.payments, unnamed)
end

local function write_match(match)
  if match.version == match.version_before then return end
  local taken, freed, told, users, alone = {}, {}, {}, {}, {}
  for _, seat in ipairs(match.seats_changed) do
    local value = match.seat[seat]
    if value then put_pair(taken, seat, value) else put(freed, seat) end
    put(told, seat .. (value and value:sub(1, 1) or 'A'))
  end
  write_many('HSET', match.key.seats, taken)
  write_many('HDEL', match.key.seats, freed)
  for user in pairs(match.user_changed) do
    local list = match.user[user]
    if #list > 0 then put_pair(users, user, table.concat(list, ',')) else put(alone, user) end
  end
  write_many('HSET', match.key.users, users)
  write_many('HDEL', match.key.users, alone)
  local version = string.format('%.0f', match.version)
  redis.call('HSET', match.key.meta, 'version', version)
  write_many('ZREM', match.key.passes, match.passes_used)
  -- `p` is the version before: a reader that stands at another one has missed an entry.
  redis.call('XADD', match.key.changes, 'MAXLEN', '~', 10000, '*', 'v', version,
    'p', string.format('%.0f', match.version_before), 'd', table.concat(told, ','))
end

local function book_write(matches)
  write_claims()
  for _, match in ipairs(matches) do if match.status then write_match(match) end end
  for _, entry in ipairs(book.facts) do
    local id = redis.call('XADD', book.key.journal, '*', 'v', '1', unpack(entry.fields))
    entry.reply[#entry.reply + 1] = id
  end
  local kept = {}
  for field, text in pairs(book.ended) do put_pair(kept, field, text) end
  for field, stored in pairs(book.operations) do
    put_pair(kept, field, stored.fingerprint .. ' ' .. table.concat(stored.reply, ' '))
  end
  for first = 1, #kept, MANY do
    operation_store(book.ring, { unpack(kept, first, math.min(first + MANY - 1, #kept)) })
  end
end
