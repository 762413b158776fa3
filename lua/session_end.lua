-- Ends a session and tells every node to refuse its access tokens.
-- KEYS[1]  HASH  session   KEYS[2]  STREAM notices
-- ARGV[1]  id of the session   ARGV[2]  life of a notice in ms
-- Replies: ended
-- Emits: notices: revoked
-- Cost: O(1)
local now = redis_ms()
redis.call('DEL', KEYS[1])
redis.call('XADD', KEYS[2], 'MINID', '~', string.format('%.0f', now - tonumber(ARGV[2])), '*',
  'revoked', ARGV[1])
return 'ended'
