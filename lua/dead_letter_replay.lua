-- Puts a dead letter back into the journal, once: the entry, and behind it word that it came again.
-- KEYS[1]  STREAM dead letters   KEYS[2]  STREAM journal   KEYS[3]  HASH partition
-- ARGV[1]  id of the letter in its stream
-- ARGV[2]  epoch   ARGV[3]  id of the entry, under which PostgreSQL keeps the letter
-- ARGV[4..]  names and values of the entry
-- Replies: not_loaded gone replayed
-- Emits: journal: the entry, dead_letter_replayed
-- Cost: O(fields)
if redis.call('EXISTS', KEYS[3]) == 0 then return 'not_loaded' end
if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then return 'gone' end
-- all checked: write
redis.call('XDEL', KEYS[1], ARGV[1])
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 4))
redis.call('XADD', KEYS[2], '*', 'v', '1', 't', 'dead_letter_replayed', 'epoch', ARGV[2],
  'entry', ARGV[3])
return 'replayed'
