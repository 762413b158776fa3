-- Exchanges a refresh token for the next one, and returns the account as it is now. A token works
-- once, and for a grace period after its first use, because the response may be lost, or two tabs
-- may show the same token. Each use gets a next token of its own. A token that is shown after its
-- grace period ends the whole session. A token that this session never had ends nothing, because
-- the id of a session is no secret.
-- KEYS[1]  HASH  sessions of the account   KEYS[2]  HASH  accounts: e-mail → JSON
-- KEYS[3]  STREAM  notices   KEYS[4]  HASH  partition   KEYS[5]  STREAM  journal
-- ARGV[1]  hash of the token shown   ARGV[2]  hash of the next token   ARGV[3]  grace in ms
-- ARGV[4]  id of the session   ARGV[5]  life of a notice in ms   ARGV[6]  address
-- ARGV[7]  JSON of the entry of the audit trail for a session that ends, or empty
-- Replies: not_loaded missing unknown reused rotated
-- Emits: notices: revoked; journal: trail
-- Cost: O(1)
-- Tokens that are kept: this many unused ones and this many used ones. Few people have more tabs.
local TOKENS_MAX = 16
local found = redis.call('HMGET', KEYS[1], 'email', ARGV[4])
local clock = clock_read(KEYS[4])
local session, now = session_parse(found[2]), clock_now(clock)
if not session or session.ends <= now then return { 'missing' } end
-- While the partition is loaded, the account may be there in a moment.
if not clock.layout then return { 'not_loaded' } end
local account = redis.call('HGET', KEYS[2], found[1])
if not account then return { 'missing' } end
-- Each token is its hash, a colon, and (once it was used) the end of its grace period. The token
-- that was made or used last comes first.
local others, shown = {}, nil
for hash, ends in session.tokens:gmatch('(%S+):(%d*)') do
  local token = { hash = hash, ends = ends }
  if hash == ARGV[1] then shown = token else others[#others + 1] = token end
end
if not shown then return { 'unknown' } end
-- all checked: write
if shown.ends ~= '' and tonumber(shown.ends) < now then
  session_drop(KEYS[1], KEYS[3], ARGV[5], ARGV[4])
  trail_add(KEYS[5], ARGV[7])
  return { 'reused' }
end
-- A second use does not make the grace period longer.
if shown.ends == '' then shown.ends = string.format('%.0f', now + tonumber(ARGV[3])) end
local kept, used, fresh = { ARGV[2] .. ':' }, 0, 1
table.insert(others, 1, shown)
for _, token in ipairs(others) do
  if token.ends == '' then fresh = fresh + 1 else used = used + 1 end
  if (token.ends == '' and fresh or used) <= TOKENS_MAX then
    kept[#kept + 1] = token.hash .. ':' .. token.ends
  end
end
session.tokens, session.used, session.address = table.concat(kept, ' '), now, ARGV[6]
redis.call('HSET', KEYS[1], ARGV[4], session_text(session))
return { 'rotated', account }
