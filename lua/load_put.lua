-- Writes fields of a hash of a closed partition, while the partition is being loaded.
-- KEYS[1]  STRING  lease   KEYS[2]  HASH  partition   KEYS[3]  HASH  what is written to
-- ARGV[1]  token of the lease   ARGV[2..]  field, value, field, value
-- Replies: fenced open put
-- Cost: O(fields)
if fenced(KEYS[1], ARGV[1]) then return 'fenced' end
if redis.call('HEXISTS', KEYS[2], 'layout') == 1 then return 'open' end
-- all checked: write
local steps = redis.call('HGET', KEYS[2], 'load_steps') or 0
redis.call('HSET', KEYS[2], 'load_steps', string.format('%.0f', steps + 1))
redis.call('HSET', KEYS[3], unpack(ARGV, 2))
return 'put'
