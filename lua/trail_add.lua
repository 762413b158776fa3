-- Adds an entry to the audit trail.
-- KEYS[1]  STREAM journal   KEYS[2]  HASH  partition
-- ARGV[1]  JSON of the entry
-- Replies: not_loaded added
-- Emits: journal: trail
-- Cost: O(1)
if redis.call('HEXISTS', KEYS[2], 'layout') == 0 then return 'not_loaded' end
trail_add(KEYS[1], ARGV[1])
return 'added'
