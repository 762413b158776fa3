-- Checks in the holder of a sold seat, once.
-- KEYS[1]  HASH  meta   KEYS[2]  HASH  seats   KEYS[3]  HASH  claims   KEYS[4]  HASH  check-ins
-- KEYS[5]  HASH  partition   KEYS[6]  STREAM  journal
-- KEYS[7..9]  HASH  ring of answers under an Idempotency-Key
-- ARGV[1]  match   ARGV[2]  seat   ARGV[3]  reservation
-- ARGV[4]  JSON of the entry of the audit trail   ARGV[5]  operation   ARGV[6]  fingerprint
-- Replies: not_loaded exists_different checked_in_before archived not_sold again checked_in
-- Emits: journal: trail
-- Cost: O(claims in the field of the buyer)
local clock, status = clock_read(KEYS[5]), redis.call('HGET', KEYS[1], 'status')
if not clock.layout or not status then return { 'not_loaded' } end
local now = clock_now(clock)
local ring = operation_ring({ KEYS[7], KEYS[8], KEYS[9] }, now)
local answer = operation_replay(operation_find(ring, ARGV[5]), ARGV[6])
if answer == 'exists_different' then return { 'exists_different' } end
-- The reservation and the time. An earlier buyer of the seat may have been there, too.
local before = redis.call('HGET', KEYS[4], ARGV[2]) or ''
local is_inside = before:sub(1, ID_LAST) == ARGV[3]
if answer and is_inside then return { 'checked_in_before', answer:match('^(%d+) (.*)$') } end
if status == MATCH.ARCHIVED then return { 'archived' } end
local seat = redis.call('HGET', KEYS[2], ARGV[2]) or ''
local field, claim = seat:sub(2), nil
local records = seat:sub(1, 1) == SEAT.OCCUPIED and redis.call('HGET', KEYS[3], field)
for text in (records or ''):gmatch('[^\n]+') do
  local found = record_parse(field, text)
  if found.id == ARGV[3] then claim = found end
end
if not claim or claim.match ~= ARGV[1] or not seat_set(claim.seats)[ARGV[2]] then
  return { 'not_sold' }
end
-- The seats of a refund under way are going back. The others of the sale stay.
local stays = claim.state == CLAIM.CONFIRMED
  or claim.state == CLAIM.REFUNDING and not seat_set(money_of(claim).part_seats)[ARGV[2]]
if not stays then return { 'not_sold' } end
if is_inside then return { 'again', before:sub(ID_LAST + 2) } end
local at, bill = string.format('%.0f', now), claim.bill or ''
-- all checked: write
redis.call('HSET', KEYS[4], ARGV[2], ARGV[3] .. ' ' .. at)
trail_add(KEYS[6], ARGV[4])
if ARGV[5] ~= '' then
  operation_store(ring, { ARGV[5], ARGV[6] .. ' ' .. at .. ' ' .. bill }, 2)
end
return { 'checked_in', at, bill }
