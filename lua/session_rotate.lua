-- Exchanges a refresh token for the next one. Each is good once, and for a while after that, its
-- grace: its answer may be lost on the way, and two tabs may show the same one, and then each gets
-- a next one of its own. One that is shown after its grace ends the whole session; one that never
-- was of this session ends nothing, because the id of a session is no secret.
-- KEYS[1]  HASH  session   KEYS[2]  STREAM notices   KEYS[3]  HASH  partition
-- ARGV[1]  hash of the token shown   ARGV[2]  hash of the next token   ARGV[3]  grace in ms
-- ARGV[4]  id of the session   ARGV[5]  life of a notice in ms
-- Replies: missing unknown reused rotated
-- Emits: notices: revoked
-- Cost: O(1)
local KEPT = 16 -- tokens not used yet, and as many used ones: nobody has more tabs
local session = redis.call('HMGET', KEYS[1], 'account', 'tokens')
if not session[1] then return { 'missing' } end
local now = clock_now(clock_read(KEYS[3]))
-- Of each token the hash and, once it was used, the end of its grace, with a colon between; the
-- one that was made or used last comes first.
local others, shown = {}, nil
for hash, ends in session[2]:gmatch('(%S+):(%d*)') do
  local token = { hash = hash, ends = ends }
  if hash == ARGV[1] then shown = token else others[#others + 1] = token end
end
if not shown then return { 'unknown' } end
-- all checked: write
if shown.ends ~= '' and tonumber(shown.ends) < now then
  redis.call('DEL', KEYS[1])
  redis.call('XADD', KEYS[2], 'MINID', '~', string.format('%.0f', redis_ms() - ARGV[5]), '*',
    'revoked', ARGV[4])
  return { 'reused' }
end
-- A second use does not make the grace longer.
if shown.ends == '' then shown.ends = string.format('%.0f', now + tonumber(ARGV[3])) end
local kept, used, fresh = { ARGV[2] .. ':' }, 0, 1
table.insert(others, 1, shown)
for _, token in ipairs(others) do
  if token.ends == '' then fresh = fresh + 1 else used = used + 1 end
  if (token.ends == '' and fresh or used) <= KEPT then
    kept[#kept + 1] = token.hash .. ':' .. token.ends
  end
end
redis.call('HSET', KEYS[1], 'tokens', table.concat(kept, ' '))
return { 'rotated', session[1] }
