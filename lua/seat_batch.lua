-- Runs a batch of seat commands of one partition: reads once, decides one by one (later commands
-- see earlier ones), writes once.
-- KEYS[1]     HASH   partition; there when the partition is loaded
-- KEYS[2]     HASH   claims: claim → record
-- KEYS[3]     ZSET   due: claim by deadline in ms
-- KEYS[4]     HASH   payments: payment → reservation
-- KEYS[5]     STREAM journal
-- KEYS[6..8]  HASH   ring of answers under an Idempotency-Key and of ended claims
-- KEYS[9..]          per match: HASH meta, HASH seats, HASH users, ZSET passes, STREAM changes
-- ARGV[1]  hold time in ms       ARGV[2]  time to pay in ms
-- ARGV[3]  seats per user        ARGV[4]  number of matches, then their ids
-- ARGV[..] the commands, one behind the other in one MessagePack list: name, number of its match,
--          operation, fingerprint, id, user, source, first, second, number of seats, seats
-- Replies: not_loaded exists_different, and then the words of the command; one line per command
-- Emits: one entry of changes per match; journal: payment_begun payment_approved payment_declined
--        payment_withdrawn payment_lost refund_begun refund_refused payment_refunded
-- Cost: O(seats of the batch); about six reads and eight writes, whatever the size of the batch
local function read_matches()
  local matches = {}
  for number = 1, tonumber(ARGV[4]) do
    local first = 9 + (number - 1) * 5
    local key = {
      meta = KEYS[first], seats = KEYS[first + 1], users = KEYS[first + 2],
      passes = KEYS[first + 3], changes = KEYS[first + 4],
    }
    local meta = redis.call('HMGET', key.meta, 'status', 'version', 'queue_enabled')
    local version = tonumber(meta[2] or 0)
    matches[number] = {
      id = ARGV[4 + number], key = key, status = meta[1], version = version,
      version_before = version, queue = meta[3] == '1', seat = {}, seat_changed = {},
      seat_is_changed = {}, seat_changes = 0, user = {}, user_changed = {}, user_changes = 0,
      passes_used = {},
    }
  end
  return matches
end

local function read_commands(matches)
  local list, count, at = {}, 0, 1
  local word = cmsgpack.unpack(ARGV[5 + #matches])
  while word[at] do
    local seats, size = {}, word[at + 9]
    for number = 1, size do seats[number] = word[at + 9 + number] end
    count = count + 1
    list[count] = {
      name = word[at], match = matches[word[at + 1]], operation = word[at + 2],
      fingerprint = word[at + 3], id = word[at + 4], user = word[at + 5], source = word[at + 6],
      first = word[at + 7], second = word[at + 8], seats = seats,
    }
    at = at + 10 + size
  end
  return list
end

-- While a partition is being loaded its matches are there before all their seats are.
local loaded = redis.call('EXISTS', KEYS[1]) == 1

local function run(command)
  if not loaded or not command.match.status then return 'not_loaded' end
  local keyed = command.operation ~= ''
  if keyed then
    local earlier = book.operations[command.operation]
    if earlier then
      return earlier.fingerprint == command.fingerprint and earlier.reply or 'exists_different'
    end
    local answer = operation_replay(book.ring, command.operation, command.fingerprint)
    if answer then return answer end
  end
  local reply = commands[command.name](command.match, command)
  -- `none` says only that a node's proposals were out of date: it will ask again.
  if keyed and not reply_text(reply):find('^none') then
    book.operations[command.operation] = { fingerprint = command.fingerprint, reply = reply }
  end
  return reply
end

local matches = read_matches()
local list = read_commands(matches)
prefetch(matches, list)
local replies = {}
for number, command in ipairs(list) do replies[number] = run(command) end
book_write(matches)
for number, reply in ipairs(replies) do replies[number] = reply_text(reply) end
return replies
