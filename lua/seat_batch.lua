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
--          users, numbers of seats; maps by the number of a command: first, second, source,
--          operation, fingerprint; and for each match the seats of its commands in their order
-- Replies: not_loaded exists_different, and then the words of the command; one line per command
-- Emits: one entry of changes per match; journal: payment_begun payment_approved payment_declined
--        payment_withdrawn payment_lost refund_owed refund_begun refund_refused refund_done
--        payment_refunded
-- Cost: O(seats of the batch); about four reads and seven writes, whatever the size of the batch
local function read_matches()
  local matches = {}
  for number = 1, tonumber(ARGV[4]) do
    local first = 8 + (number - 1) * 4
    local key = {
      meta = KEYS[first], seats = KEYS[first + 1], passes = KEYS[first + 2],
      changes = KEYS[first + 3],
    }
    local meta = redis.call('HMGET', key.meta, 'status', 'version', 'queue_enabled')
    local version = tonumber(meta[2] or 0)
    matches[number] = {
      id = ARGV[4 + number], key = key, status = meta[1], version = version,
      version_before = version, queue = meta[3] == '1', seat = {}, seat_changed = {},
      seat_changes = 0, told = {}, tellings = 0, passes_used = {}, from = 0,
    }
  end
  return matches
end

local matches = read_matches()
-- While a partition is being loaded its matches are there before all their seats are. Another
-- layout is that of another release: the worker loads the partition anew.
local loaded = redis.call('HGET', KEYS[1], 'layout') == '4'
for number, match in ipairs(matches) do
  match.names = words[10 + number]
  match.found = read_many(match.key.seats, match.names, #match.names)
end
local texts, answers = read_many(book.key.claims, user_of, #user_of), read_answers(operation_of)

local function decide(number, match)
  from_of[number] = match.from
  match.from = match.from + count_of[number]
  if not loaded or not match.status then return 'not_loaded' end
  local operation, fingerprint = operation_of[number], fingerprint_of[number]
  if operation then
    local earlier = book.operations[operation]
    if earlier then
      return earlier.fingerprint == fingerprint and earlier.reply or 'exists_different'
    end
    local answer = operation_replay(answers[operation], fingerprint)
    if answer then return answer end
  end
  local user = user_of[number]
  local claims = book.claims[user]
  if not claims then
    claims = claims_parse(user, texts[number])
    book.claims[user] = claims
  end
  local reply = commands[name_of[number]](match, number, claims)
  -- `none` says only that a node's proposals were out of date: it will ask again.
  if operation and not reply_text(reply):find('^none') then
    book.operations[operation] = { fingerprint = fingerprint, reply = reply }
  end
  return reply
end

local replies = {}
for number = 1, #name_of do replies[number] = decide(number, matches[match_of[number]]) end
book_write(matches)
for number = 1, #replies do
  if type(replies[number]) == 'table' then replies[number] = reply_text(replies[number]) end
end
return table.concat(replies, '\n')
