-- Deletes deadlines at which no claim is left to end. A failover may have brought a claim back
-- since the worker ended it. Then its deadline stays, because nothing else would end the claim.
-- KEYS[1]  ZSET  due   KEYS[2]  HASH  claims
-- ARGV[1..]  entries of due
-- Replies with the number of those that it has deleted.
-- Replies: ,
-- Cost: O(fields)
local function has_open_claim(names, at)
  for field in names:gmatch('[^,]+') do
    local lines = redis.call('HGET', KEYS[2], field) or ''
    for line in lines:gmatch('[^\n]+') do
      local claim = record_parse(field, line)
      local is_open = claim.state == CLAIM.HOLD or claim.state == CLAIM.PENDING
      if is_open and tonumber(claim.deadline) <= at then return true end
    end
  end
  return false
end

local ended = 0
for number = 1, #ARGV do
  local at, names = ARGV[number]:match('^(%d+) (.*)$')
  if not at or not has_open_claim(names, tonumber(at)) then
    ended = ended + redis.call('ZREM', KEYS[1], ARGV[number])
  end
end
return ended
