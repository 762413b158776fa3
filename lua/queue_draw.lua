-- Gives numbers to the next early people, in the order in which the worker has put their tickets.
-- KEYS[1]  HASH  meta   KEYS[2]  ZSET  queue
-- ARGV[1]  how many have their number   ARGV[2]  order: random | joined   ARGV[3..]  tickets
-- Replies: other drawn
-- Cost: O(tickets · log people waiting)
local drawn, order = unpack(redis.call('HMGET', KEYS[1], 'queue_drawn', 'queue_order'))
if drawn ~= ARGV[1] or order ~= ARGV[2] then return 'other' end
local scores = {}
for place = 3, #ARGV do
  -- Nobody has a ticket any more whose owner has left.
  local user = redis.call('ZRANGE', KEYS[2], ARGV[place], ARGV[place], 'BYSCORE')[1]
  if user then
    scores[#scores + 1] = queue_score(drawn + place - 2, ARGV[place])
    scores[#scores + 1] = user
  end
end
-- all checked: write
if #scores > 0 then redis.call('ZADD', KEYS[2], unpack(scores)) end
redis.call('HSET', KEYS[1], 'queue_drawn', string.format('%d', drawn + #ARGV - 2))
return 'drawn'
