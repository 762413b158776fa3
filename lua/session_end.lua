-- Ends one session of an account, or all.
-- KEYS[1]  HASH  sessions of the account   KEYS[2]  STREAM  notices   KEYS[3]  HASH  partition
-- ARGV[1]  id of the session; empty: all   ARGV[2]  life of a notice in ms
-- ARGV[3]  hash of a refresh token that the session must have; empty: none
-- Replies: missing unknown ended
-- Emits: notices: revoked
-- Cost: O(sessions of the account)
local sessions = sessions_read(KEYS[1], clock_now(clock_read(KEYS[3])))
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
for _, session in ipairs(ending) do session_drop(KEYS[1], KEYS[2], ARGV[2], session.id) end
return 'ended'
