-- Runs a batch of seat commands of one partition: reads once, decides one command after the other
-- (later commands see the changes of earlier ones), writes once.
-- KEYS[1]     HASH   partition; has a layout when the partition is loaded
-- KEYS[2]     HASH   claims: user → summary and records; user and a letter → records
-- KEYS[3]     ZSET   due: time in ms, and the fields of claims that may end then, by that time
-- KEYS[4]     STREAM journal
-- KEYS[5..7]  HASH   ring of answers under an Idempotency-Key and of ended claims
-- KEYS[8..]          per match: HASH meta, HASH seats, ZSET passes, STREAM changes,
--             HASH check-ins
-- All of ARGV is in MessagePack.
-- ARGV[1]     hold time in ms, time to pay in ms, seats per user, holds begun in ten minutes,
--             unpaid ends before a cool-down, then the ids of the matches
-- ARGV[2..7]  a column each: name, number of the match, id, user, number of seats, seats before
-- ARGV[8]     a map of the columns in `ARGUMENTS` (lib/batch.lua), each a map from the number of a
--             command to its value
-- ARGV[9]     per match the list of all seats that its commands name
-- Replies: later not_loaded exists_different, and then the words of the command; one line per
-- command. A command with the reply `later` did not run, and belongs into another call.
-- Emits: one entry of changes per match; journal: payment_begun payment_approved payment_declined
--        payment_withdrawn payment_lost refund_owed refund_begun refund_refused refund_done
--        payment_refunded
-- Cost: O(seats of the batch); about four reads and seven writes, whatever the size of the batch

-- The answer that an earlier command had under this key: in an earlier call, or in this batch,
-- where its reply is not complete yet and is copied at the end.
local function answer_before(batch, command, operation)
  local fingerprint = batch.arguments.fingerprint[command]
  local earlier = batch.operations[operation]
  if not earlier then return operation_replay(batch.answers[operation], fingerprint) end
  if batch.arguments.fingerprint[earlier] ~= fingerprint then return 'exists_different' end
  batch.repeats[command] = earlier
  return ''
end

-- Seats of claims that commands name by an id, in one call: about 5 ms of Redis. The caller cannot
-- count them; it bounds only the seats that commands name (src/engine/waiting.rs).
local SEATS_MOVED_MAX = 1024

-- Replies that are not kept under an Idempotency-Key, because the same call may succeed soon.
-- `none` and `changed` say that what the node had read was out of date; the others are 429, 503 and
-- 404.
local NOT_KEPT = { none = true, changed = true, cool_down = true, halted = true, not_found = true }

local function decide(batch, match, command)
  if batch.seats_moved > SEATS_MOVED_MAX then return 'later' end
  if not match.status then return 'not_loaded' end
  local operation = batch.arguments.operation[command]
  if operation then
    local answer = answer_before(batch, command, operation)
    if answer then return answer end
  end
  local reply = commands[batch.name_of[command]](batch, match, command)
  if operation and not NOT_KEPT[reply:match('^[%l_]+')] then
    batch.operations[operation] = command
  end
  return reply
end

local function seat_batch(KEYS, ARGV)
  local batch = batch_open(KEYS, ARGV)
  local matches = read_matches(batch, KEYS)
  read_records(batch)
  read_answers(batch)
  local replies = batch.replies
  for command = 1, #batch.name_of do
    replies[command] = decide(batch, matches[batch.match_of[command]], command)
  end
  batch_write(batch, matches)
  for command, earlier in pairs(batch.repeats) do replies[command] = replies[earlier] end
  return table.concat(replies, '\n')
end
