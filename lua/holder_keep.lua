-- Notes that a user without a verified e-mail address is about to hold seats, unless too many such
-- users of the same block of addresses do.
-- KEYS[1]  ZSET  users of the block, by the end of their note in ms
-- ARGV[1]  user   ARGV[2]  the most users   ARGV[3]  life of a note in ms
-- Replies: refused kept
-- Cost: O(log users)
local now = redis_ms()
if not redis.call('ZSCORE', KEYS[1], ARGV[1])
  and redis.call('ZCOUNT', KEYS[1], now, '+inf') >= tonumber(ARGV[2]) then
  local first = redis.call('ZRANGE', KEYS[1], now, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
  return 'refused ' .. string.format('%.0f', tonumber(first[2]) - now)
end
-- all checked: write
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 'kept'
