-- Changes or deletes an account, and tells all nodes, which then refuse older access tokens of it.
-- KEYS[1]  HASH  accounts: e-mail → JSON   KEYS[2]  STREAM  journal   KEYS[3]  STREAM  notices
-- KEYS[4]  HASH  partition   KEYS[5]  HASH  sessions of the account
-- KEYS[6]  STRING  hash of a token that was sent by mail, and the e-mail
-- KEYS[7]  STRING  that of the other kind of mail, which a deletion ends too
-- ARGV[1]  e-mail   ARGV[2]  version expected   ARGV[3]  JSON with the next version; empty: delete
-- ARGV[4]  id of the account   ARGV[5]  next version   ARGV[6]  life of a notice in ms
-- ARGV[7]  sessions to end: none others all   ARGV[8]  the session that `others` keeps
-- ARGV[9]  value of the token that is used up by this; empty: none is needed
-- ARGV[10]  JSON of the entry of the audit trail, or empty
-- Replies: not_loaded missing stale unknown changed
-- Emits: journal: account account_deleted trail; notices: account revoked
-- Cost: O(sessions of the account)
local clock = clock_read(KEYS[4])
if not clock.layout then return 'not_loaded' end
local account = redis.call('HGET', KEYS[1], ARGV[1])
if not account then return 'missing' end
if (account:match('"version":(%d+)') or '1') ~= ARGV[2] then return 'stale' end
if ARGV[9] ~= '' and redis.call('GET', KEYS[6]) ~= ARGV[9] then return 'unknown' end
local sessions = sessions_read(KEYS[5], clock_now(clock))
-- all checked: write
if ARGV[9] ~= '' then redis.call('DEL', KEYS[6]) end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('XADD', KEYS[2], '*', 'v', '1', 't', 'account_deleted', 'id', ARGV[4])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  redis.call('XADD', KEYS[2], '*', 'v', '1', 't', 'account', 'doc', ARGV[3])
end
trail_add(KEYS[2], ARGV[10])
notice_add(KEYS[3], ARGV[6], 'account', ARGV[4], 'version', ARGV[5])
for _, session in ipairs(sessions) do
  if ARGV[7] == 'all' or ARGV[7] == 'others' and session.id ~= ARGV[8] then
    session_drop(KEYS[5], KEYS[3], ARGV[6], session.id)
  end
end
if ARGV[3] == '' then redis.call('DEL', KEYS[5], KEYS[6], KEYS[7]) end
return 'changed'
