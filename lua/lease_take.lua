-- Takes the lease of a partition for one worker, when nobody has it.
-- KEYS[1]  STRING  lease
-- ARGV[1]  token, unlike that of any other lease   ARGV[2]  life in ms
-- Replies: mine other
-- Cost: O(1)
local LONGEST_MS = 60000 -- no lease is longer; one that is was made before Redis's clock went back

local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then
  if redis.call('PTTL', KEYS[1]) > LONGEST_MS then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return 'other'
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'mine'
