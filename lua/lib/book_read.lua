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
local function read_answers(operations)
  local names, answers = {}, {}
  for _, operation in pairs(operations) do names[#names + 1] = operation end
  if #names == 0 then return answers end
  local current = read_many(book.ring.current, names, #names)
  local previous = read_many(book.ring.previous, names, #names)
  for number, name in ipairs(names) do
    answers[name] = current[number] or previous[number] or nil
  end
  return answers
end
