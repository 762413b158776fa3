-- Takes the lease of a partition for a worker, when no other worker has it.
-- KEYS[1]  STRING  lease
-- ARGV[1]  token, unlike that of any other lease   ARGV[2]  life in ms
-- Replies: mine other
-- Cost: O(1)
-- No lease is longer than this: that of a worker that loads a partition has 10 s. One that seems
-- longer was made before the clock of Redis went back, or while it was fast.
local LEASE_MAX_MS = 12000

local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then
  if redis.call('PTTL', KEYS[1]) > LEASE_MAX_MS then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return 'other'
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'mine'
