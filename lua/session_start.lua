-- Starts a session: the family of refresh tokens of one log-in. An account has a limited number of
-- sessions, and the oldest ends when there are more.
-- KEYS[1]  HASH  sessions of the account   KEYS[2]  HASH  accounts: e-mail → JSON
-- KEYS[3]  STREAM  notices   KEYS[4]  HASH  partition   KEYS[5]  STREAM  journal
-- ARGV[1]  e-mail   ARGV[2]  version of the account whose password was checked
-- ARGV[3]  id of the session   ARGV[4]  hash of the refresh token   ARGV[5]  life in ms
-- ARGV[6]  address   ARGV[7]  name of the program   ARGV[8]  most sessions
-- ARGV[9]  life of a notice in ms
-- ARGV[10]  JSON of the entry of the audit trail for sessions that end, or empty
-- Replies: not_loaded missing stale started
-- Emits: notices: revoked; journal: trail
-- Cost: O(sessions of the account)
local clock = clock_read(KEYS[4])
if not clock.layout then return 'not_loaded' end
local account = redis.call('HGET', KEYS[2], ARGV[1])
if not account then return 'missing' end
-- The password, or the right to log in, may have changed since it was checked.
if (account:match('"version":(%d+)') or '1') ~= ARGV[2] then return 'stale' end
local now = clock_now(clock)
local sessions, over = sessions_read(KEYS[1], now)
-- all checked: write
for _, id in ipairs(over) do redis.call('HDEL', KEYS[1], id) end
local too_many = #sessions + 1 - tonumber(ARGV[8])
for number = 1, too_many do session_drop(KEYS[1], KEYS[3], ARGV[9], sessions[number].id) end
if too_many > 0 then trail_add(KEYS[5], ARGV[10]) end
local session = { began = now, used = now, ends = now + tonumber(ARGV[5]), address = ARGV[6],
  tokens = ARGV[4] .. ':', agent = ARGV[7] }
redis.call('HSET', KEYS[1], 'email', ARGV[1], ARGV[3], session_text(session))
-- No other session lives longer than the newest.
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 'started'
