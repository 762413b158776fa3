-- Binds an Idempotency-Key to a body, where its user lives. The answer under the key is kept where
-- its effect is, which the body says: so another body could not be noticed there.
-- KEYS[1]  HASH   KEYS[2..3]  HASH  ring of answers under an Idempotency-Key
-- KEYS[4]  HASH  partition
-- ARGV[1]  operation   ARGV[2]  fingerprint
-- Replies: exists_different marked
-- Cost: O(1)
local now = clock_now(clock_read(KEYS[4]))
local ring = operation_ring({ KEYS[1], KEYS[2], KEYS[3] }, now)
local mark = NOTE.KEY .. ARGV[1]
local answer = operation_replay(operation_find(ring, mark), ARGV[2])
if answer then return answer end
-- all checked: write
operation_store(ring, { mark, ARGV[2] .. ' marked' }, 2)
return 'marked'
