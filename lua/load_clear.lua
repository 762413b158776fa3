-- Deletes keys of a partition that is closed, before it is loaded. From here on `load_steps` counts
-- the steps of the load: a failover that loses some of them loses their count, too.
-- KEYS[1]  STRING  lease   KEYS[2]  HASH  partition   KEYS[3..]  keys to delete
-- ARGV[1]  token of the lease   ARGV[2]  the number that the count begins with; empty: it goes on
-- Replies: fenced open cleared
-- Cost: O(keys); Redis frees the memory in the background
if fenced(KEYS[1], ARGV[1]) then return 'fenced' end
if redis.call('HEXISTS', KEYS[2], 'layout') == 1 then return 'open' end
-- all checked: write
local steps = ARGV[2] ~= '' and ARGV[2] or redis.call('HGET', KEYS[2], 'load_steps') or 0
redis.call('HSET', KEYS[2], 'load_steps', string.format('%.0f', steps + 1))
redis.call('UNLINK', unpack(KEYS, 3))
return 'cleared'
