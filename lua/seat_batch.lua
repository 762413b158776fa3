-- Runs a batch of seat commands of one partition: reads once, decides one by one (later commands
-- see earlier ones), writes once.
-- KEYS[1]     HASH   partition; has a layout when the partition is loaded
-- KEYS[2]     HASH   claims: user → records
-- KEYS[3]     ZSET   due: time in ms and users by comma, by that time; a claim of each may end then
-- KEYS[4]     STREAM journal
-- KEYS[5..7]  HASH   ring of answers under an Idempotency-Key and of ended claims
-- KEYS[8..]          per match: HASH meta, HASH seats, ZSET passes, STREAM changes
-- ARGV[1]  hold time in ms       ARGV[2]  time to pay in ms
-- ARGV[3]  seats per user        ARGV[4]  number of matches, then their ids
-- ARGV[..] the commands, column by column, in MessagePack: names, numbers of their matches, ids,
--          users, numbers of seats, places before them; maps by the number of a command: first,
--          second, source, operation, fingerprint; and per match the seats of all its commands
-- Replies: not_loaded exists_different, and then the words of the command; one line per command
-- Emits: one entry of changes per match; journal: payment_begun payment_approved payment_declined
--        payment_withdrawn payment_lost refund_owed refund_begun refund_refused refund_done
--        payment_refunded
-- Cost: O(seats of the batch); about four reads and seven writes, whatever the size of the batch
local function read_matches()
  -- While a partition is being loaded its matches are there before all their seats are. Another
  -- layout is that of another release: the worker loads the partition anew.
  local loaded = redis.call('HGET', KEYS[1], 'layout') == '4'
  local matches = {}
  for number = 1, tonumber(ARGV[4]) do
    local first = 8 + (number - 1) * 4
    local key = {
      meta = KEYS[first], seats = KEYS[first + 1], passes = KEYS[first + 2],
      changes = KEYS[first + 3],
    }
    local meta = redis.call('HMGET', key.meta, 'status', 'version', 'queue_enabled')
    local version, names = tonumber(meta[2] or 0), words[11 + number]
    matches[number] = {
      id = ARGV[4 + number], key = key, status = loaded and meta[1], queue = meta[3] == '1',
      version = version, version_before = version, passes_used = {},
      names = names, found = read_many(key.seats, names, #names), looked = {}, seat = {},
    }
  end
  return matches
end

local matches, answers = read_matches(), read_answers(operation_of)
local texts = read_many(book.key.claims, user_of, #user_of)
for number = 1, #user_of do book.text[user_of[number]] = texts[number] end

-- The answer that a command under this key had in an earlier call, or has in this one.
local function answer_before(number, operation, fingerprint)
  local earlier = book.operations[operation]
  if not earlier then return operation_replay(answers[operation], fingerprint) end
  if fingerprint_of[earlier] ~= fingerprint then return 'exists_different' end
  book.repeats[number] = earlier
  return ''
end

local function decide(number, match)
  if not match.status then return 'not_loaded' end
  local operation = operation_of[number]
  if operation then
    local answer = answer_before(number, operation, fingerprint_of[number])
    if answer then return answer end
  end
  local reply = commands[name_of[number]](match, number, claims_of(user_of[number]))
  -- `none` says only that a node's proposals were out of date: it will ask again.
  if operation and not reply:find('^none') then book.operations[operation] = number end
  return reply
end

for number = 1, #name_of do book.replies[number] = decide(number, matches[match_of[number]]) end
book_write(matches)
for number, earlier in pairs(book.repeats) do book.replies[number] = book.replies[earlier] end
return table.concat(book.replies, '\n')
