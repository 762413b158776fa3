-- Writes the book: one multi-value call per structure, one stream entry per match.
local MANY = 6000 -- arguments per call; unpack is bounded by Lua's stack of 8,000

-- `size`: how many of the list's places are in use.
local function write_many(command, key, list, size)
  for first = 1, size, MANY do
    redis.call(command, key, unpack(list, first, math.min(first + MANY - 1, size)))
  end
end

-- The records of a user, one per line; nil without claims.
local function claims_text(claims)
  local text, records
  for place = 1, #claims do
    local claim = claims[place]
    if not claim.over then
      local record = claim_text(claim)
      if text then
        records = records or { text }
        records[#records + 1] = record
      end
      text = text or record
    end
  end
  return records and table.concat(records, '\n') or text
end

local function write_claims()
  local set, gone, sets, ends = {}, {}, 0, 0
  for number = 1, book.changes do
    local user = book.changed[number]
    local claims, text = book.claims[user], book.text[user]
    if claims then text = claims_text(claims) end
    if text then
      set[sets + 1], set[sets + 2], sets = user, text, sets + 2
    else
      ends = ends + 1
      gone[ends] = user
    end
  end
  write_many('HSET', book.key.claims, set, sets)
  write_many('HDEL', book.key.claims, gone, ends)
end

-- One entry per deadline of the batch: mostly all its new claims in one. It begins with its time,
-- so that the same users at another one are another entry.
local function write_due()
  for time, users in pairs(book.due) do
    local entry = time .. ' ' .. table.concat(users, ',')
    redis.call('ZADD', book.key.due, time, entry)
  end
end

-- Writes what has become of the seats; answers what watchers are told: state letters, each with its
-- seats by comma.
local function write_seats(match)
  local set, gone, sets, ends, of_letter, told = {}, {}, 0, 0, {}, {}
  for seat, value in pairs(match.seat) do
    if value then
      set[sets + 1], set[sets + 2], sets = seat, value, sets + 2
      local letter = value:byte()
      local seats = of_letter[letter]
      if seats then seats[#seats + 1] = seat else of_letter[letter] = { seat } end
    else
      ends = ends + 1
      gone[ends] = seat
    end
  end
  write_many('HSET', match.key.seats, set, sets)
  write_many('HDEL', match.key.seats, gone, ends)
  if ends > 0 then told[1] = 'A' .. table.concat(gone, ',') end
  for letter, seats in pairs(of_letter) do
    told[#told + 1] = string.char(letter) .. table.concat(seats, ',')
  end
  return table.concat(told, ';')
end

local function write_match(match)
  if match.version == match.version_before then return end
  local told = write_seats(match)
  local version = whole(match.version)
  redis.call('HSET', match.key.meta, 'version', version)
  local passes = {}
  for user in pairs(match.passes_used) do passes[#passes + 1] = user end
  write_many('ZREM', match.key.passes, passes, #passes)
  -- `p` is the version before: a reader that stands at another one has missed an entry.
  redis.call('XADD', match.key.changes, 'MAXLEN', '~', 10000, '*', 'v', version,
    'p', whole(match.version_before), 'd', told)
end

local function book_write(matches)
  write_claims()
  write_due()
  for _, match in ipairs(matches) do if match.status then write_match(match) end end
  for _, entry in ipairs(book.facts) do
    local id = redis.call('XADD', book.key.journal, '*', 'v', '1', unpack(entry.fields))
    book.replies[entry.command] = book.replies[entry.command] .. ' ' .. id
  end
  local kept, count = {}, 0
  for field, text in pairs(book.ended) do
    kept[count + 1], kept[count + 2], count = field, text, count + 2
  end
  for field, number in pairs(book.operations) do
    local text = fingerprint_of[number] .. ' ' .. book.replies[number]
    kept[count + 1], kept[count + 2], count = field, text, count + 2
  end
  operation_store(book.ring, kept, count)
end
