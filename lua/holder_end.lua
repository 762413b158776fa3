-- Ends the note of a user, who has bought.
-- KEYS[1]  ZSET  users of the block
-- ARGV[1]  user
-- Replies: ended
-- Cost: O(log users)
redis.call('ZREM', KEYS[1], ARGV[1])
return 'ended'
