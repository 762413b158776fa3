-- Ends one session of an account, or all.
-- KEYS[1]  HASH  sessions of the account   KEYS[2]  STREAM  notices   KEYS[3]  HASH  partition
-- KEYS[4]  STREAM  journal
-- ARGV[1]  id of the session; empty: all   ARGV[2]  life of a notice in ms
-- ARGV[3]  hash of a refresh token that the session must have; empty: none
-- ARGV[4]  JSON of the entry of the audit trail, or empty
-- Replies: missing unknown ended
-- Emits: notices: revoked; journal: trail
-- Cost: O(sessions of the account)
local clock = clock_read(KEYS[3])
local sessions = sessions_read(KEYS[1], clock_now(clock))
local ending = {}
for _, session in ipairs(sessions) do
  if ARGV[1] == '' or ARGV[1] == session.id then ending[#ending + 1] = session end
end
if ARGV[1] ~= '' then
  if #ending == 0 then return 'missing' end
  local has_token = (' ' .. ending[1].tokens):find(' ' .. ARGV[3] .. ':', 1, true)
  if ARGV[3] ~= '' and not has_token then return 'unknown' end
end
-- all checked: write
-- While the partition is not loaded, nothing goes into its journal. The end of a session counts all
-- the same.
if clock.layout then trail_add(KEYS[4], ARGV[4]) end
for _, session in ipairs(ending) do session_drop(KEYS[1], KEYS[2], ARGV[2], session.id) end
return 'ended'
