-- Creates an account, once per e-mail.
-- KEYS[1]     HASH   accounts: e-mail → JSON
-- KEYS[2]     STREAM journal
-- KEYS[3..5]  HASH   ring of answers under an Idempotency-Key
-- KEYS[6]     HASH   partition
-- ARGV[1]  e-mail   ARGV[2]  JSON of the account   ARGV[3]  id
-- ARGV[4]  operation   ARGV[5]  fingerprint
-- ARGV[6]  JSON of the entry of the audit trail, or empty
-- Replies: not_loaded exists_different created taken
-- Emits: journal: account trail
-- Cost: O(1)
if redis.call('HEXISTS', KEYS[6], 'layout') == 0 then return 'not_loaded' end
local now = clock_now(clock_read(KEYS[6]))
local ring = operation_ring({ KEYS[3], KEYS[4], KEYS[5] }, now)
local answer = operation_replay(operation_find(ring, ARGV[4]), ARGV[5])
if answer then return answer end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 'taken' end
-- all checked: write
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('XADD', KEYS[2], '*', 'v', '1', 't', 'account', 'doc', ARGV[2])
trail_add(KEYS[2], ARGV[6])
local reply = 'created ' .. ARGV[3]
if ARGV[4] ~= '' then operation_store(ring, { ARGV[4], ARGV[5] .. ' ' .. reply }, 2) end
return reply
