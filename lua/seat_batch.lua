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
-- ARGV[..] the commands, column by column, in MessagePack: names; numbers of their matches; ids;
--          users; numbers of seats; places before them; and in one list: maps by the number of a
--          command: first, second, source, operation, fingerprint; and per match all its seats
-- Replies: later not_loaded exists_different, and then the words of the command; one line per
-- command. A command that comes later was not looked at, and belongs into another call.
-- Emits: one entry of changes per match; journal: payment_begun payment_approved payment_declined
--        payment_withdrawn payment_lost refund_owed refund_begun refund_refused refund_done
--        payment_refunded
-- Cost: O(seats of the batch); about four reads and seven writes, whatever the size of the batch

-- The answer that a command under this key had in an earlier call, or has in this one.
local function answer_before(number, operation, fingerprint)
  local earlier = book.operations[operation]
  if not earlier then return operation_replay(book.answers[operation], fingerprint) end
  if fingerprint_of[earlier] ~= fingerprint then return 'exists_different' end
  book.repeats[number] = earlier
  return ''
end

-- Seats of claims that commands name by an id, in one call: about 5 ms of Redis. The caller can't
-- count them, and bounds the seats that it names itself (src/engine/waiting.rs).
local SEATS_MOVED = 1024

local function decide(number, match)
  if book.moved > SEATS_MOVED then return 'later' end
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

local function seat_batch(keys, arguments)
  commands_read(keys, arguments)
  book_open()
  local matches = read_matches()
  read_claims()
  read_answers()
  local replies = book.replies
  for number = 1, #name_of do replies[number] = decide(number, matches[match_of[number]]) end
  book_write(matches)
  for number, earlier in pairs(book.repeats) do replies[number] = replies[earlier] end
  return table.concat(replies, '\n')
end
