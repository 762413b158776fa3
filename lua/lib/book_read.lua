-- Reads ahead what a batch names: one multi-key read per structure. What that leads to, such as the
-- claims of who has a wanted seat, is read when it is met.
local function read_many(key, names, size)
  local all = {}
  for first = 1, size, MANY do
    local last = math.min(first + MANY - 1, size)
    local found = redis.call('HMGET', key, unpack(names, first, last))
    if size <= MANY then return found end
    for number = 1, #found do all[first + number - 1] = found[number] end
  end
  return all
end

-- Answers under a key, by key: of this period, or of the one before.
local function read_answers()
  local names = {}
  for _, operation in pairs(operation_of) do names[#names + 1] = operation end
  if #names == 0 then return end
  local current = read_many(book.ring.current, names, #names)
  local previous = read_many(book.ring.previous, names, #names)
  for number, name in ipairs(names) do
    book.answers[name] = current[number] or previous[number] or nil
  end
end

-- Claims stay text until somebody asks for them.
local function read_claims()
  local texts = read_many(book.key.claims, user_of, #user_of)
  for number = 1, #user_of do book.text[user_of[number]] = texts[number] end
end

local function read_matches()
  -- While a partition is being loaded its matches are there before all their seats are. Another
  -- layout is that of another release: the worker loads the partition anew.
  local loaded, halted = book.layout == '4', book.halted
  local matches = {}
  for number = 1, tonumber(ARGV[4]) do
    local first = 8 + (number - 1) * 4
    local key = {
      meta = KEYS[first], seats = KEYS[first + 1], passes = KEYS[first + 2],
      changes = KEYS[first + 3],
    }
    local meta = redis.call('HMGET', key.meta, 'status', 'version', 'queue_enabled')
    local version, names = tonumber(meta[2] or 0), words[5 + number]
    matches[number] = {
      id = ARGV[4 + number], key = key, status = loaded and meta[1], queue = meta[3] == '1',
      halted = halted,
      version = version, version_before = version, passes_used = {},
      names = names, found = read_many(key.seats, names, #names), looked = {}, seat = {},
    }
  end
  return matches
end
