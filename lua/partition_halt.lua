-- Stops new payments in a partition because PostgreSQL has lost entries that it had committed, or
-- lets payments go on.
-- KEYS[1]  STRING  lease   KEYS[2]  HASH  partition
-- ARGV[1]  token of the lease   ARGV[2]  what was lost, for people; empty to let payments go on
-- Replies: fenced halted going
-- Cost: O(1)
if fenced(KEYS[1], ARGV[1]) then return 'fenced' end
-- all checked: write
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[2], 'halted')
  return 'going'
end
redis.call('HSET', KEYS[2], 'halted', ARGV[2])
return 'halted'
