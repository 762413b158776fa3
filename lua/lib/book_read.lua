-- Reads ahead what a batch will need: one multi-key read per structure.
-- One read per structure for what the commands name; what they lead to is read when it is met.
local function read_many(key, wanted, into)
  for first = 1, #wanted, MANY do
    local last = math.min(first + MANY - 1, #wanted)
    local found = redis.call('HMGET', key, unpack(wanted, first, last))
    for number = 1, #found do into(wanted[first + number - 1], found[number]) end
  end
end

-- The seats of the claims that commands name: a claim that ends frees them.
local function prefetch_seats(matches, list)
  for _, match in ipairs(matches) do match.wanted = {} end
  for _, command in ipairs(list) do
    local claim = book.claims[command.id] or book.claims[command.source]
    for _, seat in ipairs(claim and claim.seats or {}) do
      if command.match.seat[seat] == nil then put(command.match.wanted, seat) end
    end
  end
  for _, match in ipairs(matches) do
    read_many(match.key.seats, match.wanted, function(seat, value) match.seat[seat] = value end)
  end
end

local function prefetch(matches, list)
  local ids, named = {}, {}
  local function name(id)
    if id ~= '' and id and not named[id] then named[id] = true; ids[#ids + 1] = id end
  end
  for _, match in ipairs(matches) do match.wanted, match.asking = {}, {} end
  for _, command in ipairs(list) do
    name(command.id)
    if command.name == 'reserve' then name(command.source) end
    if command.user ~= '' then put(command.match.asking, command.user) end
    for _, seat in ipairs(command.seats) do put(command.match.wanted, seat) end
  end
  for _, match in ipairs(matches) do
    read_many(match.key.seats, match.wanted, function(seat, value)
      match.seat[seat] = value
      if value and #value > 1 then name(value:sub(2)) end
    end)
    read_many(match.key.users, match.asking, function(user, text)
      local claims = {}
      if text then for id in text:gmatch('[^,]+') do put(claims, id); name(id) end end
      match.user[user] = claims
    end)
  end
  read_many(book.key.claims, ids, function(id, text)
    book.claims[id] = text and claim_parse(id, text) or false
  end)
  prefetch_seats(matches, list)
end
