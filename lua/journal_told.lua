-- Notes that PostgreSQL has committed the journal of a partition up to an id, announces it to every
-- node, and deletes the earlier entries. The entry with this id stays, to show that the journal is
-- still the same. A journal without it is that of another server: its earlier entries may be in no
-- database.
-- KEYS[1]  STRING  lease   KEYS[2]  HASH  partition   KEYS[3]  STREAM  persisted
-- KEYS[4]  STREAM  journal
-- ARGV[1]  token of the lease   ARGV[2]  epoch   ARGV[3]  ms of the id   ARGV[4]  its seq
-- ARGV[5]  payments whose seats an earlier sale has
-- Replies: fenced ended behind told, with the id of the announcement
-- Emits: persisted: epoch, upto, lost
-- Cost: O(entries dropped)
if fenced(KEYS[1], ARGV[1]) then return { 'fenced' } end
local known = redis.call('HMGET', KEYS[2], 'epoch', 'committed')
if known[1] ~= ARGV[2] then return { 'ended' } end
local ms, seq = (known[2] or '0-0'):match('^(%d+)-(%d+)$')
local new_ms, new_seq = tonumber(ARGV[3]), tonumber(ARGV[4])
local behind = new_ms < tonumber(ms) or new_ms == tonumber(ms) and new_seq < tonumber(seq)
if behind then return { 'behind', known[2] } end
local upto = ARGV[3] .. '-' .. ARGV[4]
local is_start = new_ms == 0 and new_seq == 0
if not is_start and #redis.call('XRANGE', KEYS[4], upto, upto) == 0 then return { 'ended' } end
-- all checked: write
redis.call('XTRIM', KEYS[4], 'MINID', upto)
redis.call('HSET', KEYS[2], 'committed', upto)
local id = redis.call('XADD', KEYS[3], 'MAXLEN', '~', 1000, '*', 'epoch', ARGV[2], 'upto', upto,
  'lost', ARGV[5])
return { 'told', id }
