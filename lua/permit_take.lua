-- Takes a permit of a counter that all nodes share. The counter starts again after its window.
-- KEYS[1]  STRING  how many were taken
-- ARGV[1]  the most in a window   ARGV[2]  window in ms
-- Replies: refused granted
-- Cost: O(1)
local taken = tonumber(redis.call('GET', KEYS[1])) or 0
if taken >= tonumber(ARGV[1]) then
  return 'refused ' .. string.format('%.0f', math.max(redis.call('PTTL', KEYS[1]), 0))
end
-- all checked: write
if redis.call('INCR', KEYS[1]) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 'granted'
