-- Opens a partition under a new epoch: from here on it counts as loaded, and its journal begins.
-- `torn`: another server has the partition now, which lacks a step of the load.
-- KEYS[1]  STRING  lease   KEYS[2]  HASH  partition
-- ARGV[1]  token of the lease   ARGV[2]  epoch   ARGV[3]  number of partitions   ARGV[4]  layout
-- ARGV[5]  the count of the steps of the load
-- Replies: fenced open torn opened
-- Cost: O(1)
if fenced(KEYS[1], ARGV[1]) then return 'fenced' end
if redis.call('HEXISTS', KEYS[2], 'layout') == 1 then return 'open' end
if (redis.call('HGET', KEYS[2], 'load_steps') or '0') ~= ARGV[5] then return 'torn' end
-- all checked: write
redis.call('HDEL', KEYS[2], 'halted', 'load_steps')
redis.call('HSET', KEYS[2], 'epoch', ARGV[2], 'partitions', ARGV[3], 'layout', ARGV[4],
  'committed', '0-0')
return 'opened'
