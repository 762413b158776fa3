-- Creates or replaces a document of the catalogue (a site or a match) with its run-time fields.
-- KEYS[1]     HASH   documents: id → JSON
-- KEYS[2]     HASH   meta of the match (the documents again for a site)
-- KEYS[3]     STREAM journal   KEYS[4]  STREAM notices
-- KEYS[5..7]  HASH   ring of answers under an Idempotency-Key
-- KEYS[8]     HASH   partition
-- KEYS[9]     ZSET   due: what the worker looks at, by time
-- KEYS[10]    HASH   seats of the match (the documents again for a site)
-- KEYS[11..]         keys of the match that it does not need any more
-- ARGV[1]  site | match   ARGV[2]  id   ARGV[3]  version expected (0: must be new)
-- ARGV[4]  JSON with the next version inside   ARGV[5]  operation   ARGV[6]  fingerprint
-- ARGV[7]  life of a notice in ms
-- ARGV[8]  closed: the holds of the match end; moved: it gets another site, with other seats
-- ARGV[9]  JSON of the entry of the audit trail, or empty
-- ARGV[10..]  field, value of meta
-- Replies: not_loaded exists_different stored missing stale seats_blocked
-- Emits: journal: site match trail; notices: site match
-- Cost: O(size of the document)
if redis.call('HEXISTS', KEYS[8], 'layout') == 0 then return 'not_loaded' end
local now = clock_now(clock_read(KEYS[8]))
local ring = operation_ring({ KEYS[5], KEYS[6], KEYS[7] }, now)
local answer = operation_replay(operation_find(ring, ARGV[5]), ARGV[6])
if answer then return answer end
local document = redis.call('HGET', KEYS[1], ARGV[2])
if ARGV[3] == '0' and document then return 'stale' end
if ARGV[3] ~= '0' then
  if not document then return 'missing' end
  if document:match('"version":(%d+)') ~= ARGV[3] then return 'stale' end
end
if ARGV[8] == 'moved' and redis.call('HLEN', KEYS[10]) > 0 then return 'seats_blocked' end
-- all checked: write
redis.call('HSET', KEYS[1], ARGV[2], ARGV[4])
for number = 11, #KEYS do redis.call('UNLINK', KEYS[number]) end
if ARGV[10] then redis.call('HSET', KEYS[2], unpack(ARGV, 10)) end
if ARGV[8] == 'closed' then
  local time = string.format('%d', now)
  redis.call('ZADD', KEYS[9], time, time .. ' =' .. ARGV[2])
end
redis.call('XADD', KEYS[3], '*', 'v', '1', 't', ARGV[1], 'doc', ARGV[4])
trail_add(KEYS[3], ARGV[9])
redis.call('XADD', KEYS[4], 'MINID', '~', string.format('%.0f', redis_ms() - ARGV[7]), '*',
  ARGV[1], ARGV[2])
local reply = 'stored ' .. ARGV[2]
if ARGV[5] ~= '' then operation_store(ring, { ARGV[5], ARGV[6] .. ' ' .. reply }, 2) end
return reply
