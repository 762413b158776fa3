-- Ends a dead letter, once: puts its entry back into the journal with its first position, or drops
-- it. A second entry says that the letter has ended.
-- KEYS[1]  STREAM dead letters   KEYS[2]  STREAM journal   KEYS[3]  HASH partition
-- ARGV[1]  id of the letter in its stream
-- ARGV[2]  epoch   ARGV[3]  id of the entry, under which PostgreSQL keeps the letter
-- ARGV[4..]  names and values of the entry; none to drop it
-- Replies: not_loaded gone ended
-- Emits: journal: the entry, dead_letter_replayed
-- Cost: O(fields)
if redis.call('HEXISTS', KEYS[3], 'layout') == 0 then return 'not_loaded' end
if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then return 'gone' end
-- all checked: write
redis.call('XDEL', KEYS[1], ARGV[1])
if ARGV[4] then
  local entry = { unpack(ARGV, 4) }
  local first_time = true
  for name = 4, #ARGV, 2 do first_time = first_time and ARGV[name] ~= 'was' end
  -- An entry that was refused before keeps its first position.
  if first_time then
    entry[#entry + 1], entry[#entry + 2] = 'was', ARGV[2] .. '-' .. ARGV[3]
  end
  redis.call('XADD', KEYS[2], '*', unpack(entry))
end
-- With this entry the worker deletes the letter from its table in PostgreSQL.
redis.call('XADD', KEYS[2], '*', 'v', '1', 't', 'dead_letter_replayed', 'epoch', ARGV[2],
  'entry', ARGV[3])
return 'ended'
