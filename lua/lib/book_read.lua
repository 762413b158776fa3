-- Reads ahead what a batch will need: one multi-key read per structure for what the commands name;
-- what they lead to is read when it is met.
-- `into` takes each name with what was found, or false.
local function read_many(key, names, into)
  for first = 1, #names, MANY do
    local last = math.min(first + MANY - 1, #names)
    local found = redis.call('HMGET', key, unpack(names, first, last))
    for number = 1, #found do into(names[first + number - 1], found[number]) end
  end
end

-- Names that are asked for, each once. A table per name would cost more than asking twice does,
-- so that only those that come from several sides are kept apart.
local function names()
  local known, list, count = { [''] = true }, {}, 0
  return list, function(name)
    if known[name] then return end
    known[name], count = true, count + 1
    list[count] = name
  end
end

-- A hold names no claim: one made by an earlier call of the same command is found by its user.
local MAKES = { hold = true, best = true }

local function named_by_commands(matches, list, claim)
  for _, match in ipairs(matches) do match.wanted, match.asking = {}, {} end
  for _, command in ipairs(list) do
    local match = command.match
    if not MAKES[command.name] then claim(command.id) end
    claim(command.source)
    if command.user ~= '' then match.asking[#match.asking + 1] = command.user end
    local wanted, count = match.wanted, #match.wanted
    for place, seat in ipairs(command.seats) do wanted[count + place] = seat end
  end
end

-- The seats of the claims that commands name: a claim that ends frees them.
local function prefetch_seats(matches, list)
  for _, match in ipairs(matches) do match.wanted = {} end
  for _, command in ipairs(list) do
    local claim = book.claims[command.id] or book.claims[command.source]
    if claim then
      local wanted, count = command.match.wanted, #command.match.wanted
      for place, seat in ipairs(claim.seats) do wanted[count + place] = seat end
    end
  end
  for _, match in ipairs(matches) do
    read_many(match.key.seats, match.wanted, function(seat, value) match.seat[seat] = value end)
  end
end

local function prefetch(matches, list)
  local ids, claim = names()
  named_by_commands(matches, list, claim)
  for _, match in ipairs(matches) do
    read_many(match.key.seats, match.wanted, function(seat, value)
      match.seat[seat] = value
      if value and value ~= 'B' then claim(value:sub(2)) end
    end)
    read_many(match.key.users, match.asking, function(user, text)
      match.user[user] = text or ''
      if text then for id in text:gmatch('[^,]+') do claim(id) end end
    end)
  end
  read_many(book.key.claims, ids, function(id, text)
    book.claims[id] = text and claim_parse(id, text) or false
  end)
  prefetch_seats(matches, list)
end
