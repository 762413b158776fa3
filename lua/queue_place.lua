-- A user's place in the queue of a match: joins, or only looks.
-- KEYS[1]  HASH  meta   KEYS[2]  ZSET  queue: user by number   KEYS[3]  ZSET  passes: user by end
-- KEYS[4]  HASH  partition
-- ARGV[1]  user   ARGV[2]  join | look
-- Replies: not_loaded ended off admitted waiting none
-- Cost: O(log people waiting)
local now = clock_now(clock_read(KEYS[4]))
local meta = redis.call('HMGET', KEYS[1], 'status', 'queue_enabled', 'serving', 'queue_next')
if not meta[1] then return { 'not_loaded' } end
if meta[1] == 'CLOSED' or meta[1] == 'ARCHIVED' then return { 'ended' } end
if meta[2] ~= '1' then return { 'off' } end
local serving = meta[3] or '0'
local expires = redis.call('ZSCORE', KEYS[3], ARGV[1])
if expires and tonumber(expires) > now then return { 'admitted', expires, serving } end
local number = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not number and ARGV[2] ~= 'join' then return { 'none' } end
-- all checked: write
if not number then
  number = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'queue_next', 1))
  redis.call('ZADD', KEYS[2], number, ARGV[1])
end
return { 'waiting', number, serving, redis.call('ZRANK', KEYS[2], ARGV[1]) }
