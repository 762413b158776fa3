-- Deletes keys of a partition that is closed, before it is loaded.
-- KEYS[1]  STRING  lease   KEYS[2]  HASH  partition   KEYS[3..]  keys to delete
-- ARGV[1]  token of the lease
-- Replies: fenced open cleared
-- Cost: O(keys); Redis frees the memory in the background
if fenced(KEYS[1], ARGV[1]) then return 'fenced' end
if redis.call('HEXISTS', KEYS[2], 'layout') == 1 then return 'open' end
-- all checked: write
redis.call('UNLINK', unpack(KEYS, 3))
return 'cleared'
