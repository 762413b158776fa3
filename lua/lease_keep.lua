-- Renews the lease of a partition, or ends it. A lease that has ended does not come back under its
-- token, because another worker may have had the partition in between.
-- KEYS[1]  STRING  lease
-- ARGV[1]  token   ARGV[2]  life in ms; 0 ends the lease
-- Replies: lost kept
-- Cost: O(1)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'kept'
