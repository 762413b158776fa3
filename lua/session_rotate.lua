-- Exchanges a refresh token for the next one. A token that was used before ends the whole session,
-- unless it is the last one and its answer may have been lost on the way (grace).
-- KEYS[1]  HASH  session   KEYS[2]  STREAM notices
-- ARGV[1]  hash of the token shown   ARGV[2]  hash of the next token   ARGV[3]  grace in ms
-- ARGV[4]  id of the session   ARGV[5]  life of a notice in ms
-- Replies: missing reused rotated
-- Emits: notices: revoked
-- Cost: O(1)
local session = redis.call('HMGET', KEYS[1], 'account', 'hash', 'previous', 'rotated_at')
if not session[1] then return { 'missing' } end
local now = redis_ms()
local current = session[2] == ARGV[1]
local lost = session[3] == ARGV[1] and now - tonumber(session[4]) <= tonumber(ARGV[3])
-- all checked: write
if not current and not lost then
  redis.call('DEL', KEYS[1])
  redis.call('XADD', KEYS[2], 'MINID', '~', string.format('%.0f', now - tonumber(ARGV[5])), '*',
    'revoked', ARGV[4])
  return { 'reused' }
end
redis.call('HSET', KEYS[1], 'hash', ARGV[2], 'previous', ARGV[1],
  'rotated_at', string.format('%.0f', now))
return { 'rotated', session[1] }
