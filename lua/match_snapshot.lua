-- Reads all taken seats of a match, with the position in its changes at which they are so. Of a
-- large match it reads only the position: the caller reads the seats in steps, and then applies the
-- changes since.
-- KEYS[1]  HASH  partition   KEYS[2]  HASH  meta   KEYS[3]  HASH  seats   KEYS[4]  STREAM changes
-- KEYS[5]  ZSET  queue
-- ARGV[1]  taken seats of a large match
-- Replies: not_loaded large snapshot
-- Cost: O(taken seats, at most ARGV[1])
local meta = redis.call('HMGET', KEYS[2], 'status', 'version', 'serving', 'queue_told')
local epoch, layout = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'layout'))
if not meta[1] or not layout then return { 'not_loaded' } end
local last = redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)
local reply = 'snapshot'
local taken, seats = {}, {}
if redis.call('HLEN', KEYS[3]) > tonumber(ARGV[1]) then
  reply = 'large'
else
  seats = redis.call('HGETALL', KEYS[3])
end
for number = 1, #seats, 2 do
  taken[#taken + 1] = seats[number] .. seats[number + 1]:sub(1, 1)
end
-- The line, in the form of an entry of the changes. `queue_told` has the people who waited then.
local rest = (meta[4] or ''):match(' (.*)') or '0 -'
local line = (meta[3] or '0') .. ' ' .. redis.call('ZCARD', KEYS[5]) .. ' 0 ' .. rest
return { reply, epoch, last[1] and last[1][1] or '0-0', meta[2] or '0', table.concat(taken, ','),
  line }
