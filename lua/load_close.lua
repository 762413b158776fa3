-- Closes a partition before it is loaded again: until it is opened, no command runs in it. It stays
-- open when its epoch has changed since the caller looked.
-- KEYS[1]  STRING  lease   KEYS[2]  HASH  partition
-- KEYS[3..]  HASH  ring of answers, when its form is that of another release
-- ARGV[1]  token of the lease   ARGV[2]  epoch that the caller has seen
-- Replies: fenced changed closed
-- Cost: O(1)
if fenced(KEYS[1], ARGV[1]) then return 'fenced' end
if redis.call('HGET', KEYS[2], 'epoch') ~= ARGV[2] then return 'changed' end
-- all checked: write
redis.call('HDEL', KEYS[2], 'layout')
if KEYS[3] then redis.call('UNLINK', unpack(KEYS, 3)) end
return 'closed'
