-- Leaves the queue of a match and gives back the pass.
-- KEYS[1]  ZSET  queue   KEYS[2]  ZSET  passes
-- ARGV[1]  user
-- Replies: left none
-- Cost: O(log people waiting)
local gone = redis.call('ZREM', KEYS[1], ARGV[1]) + redis.call('ZREM', KEYS[2], ARGV[1])
return gone > 0 and 'left' or 'none'
