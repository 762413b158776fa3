-- Starts a session: the family of refresh tokens of one log-in.
-- KEYS[1]  HASH  session
-- ARGV[1]  JSON of the account   ARGV[2]  hash of the refresh token   ARGV[3]  life in ms
-- Replies: started
-- Cost: O(1)
redis.call('HSET', KEYS[1], 'account', ARGV[1], 'tokens', ARGV[2] .. ':')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 'started'
