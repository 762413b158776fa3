-- Deletes deadlines at which no claim is left to end, and no conduct to forget. A failover may have
-- brought one back since the worker did that. Then the deadline stays, because nothing else would
-- end it.
-- KEYS[1]  ZSET  due   KEYS[2]  HASH  claims
-- ARGV[1..]  entries of due
-- Replies with the number of those that it has deleted.
-- Replies: ,
-- Cost: O(fields)
local function has_old_conduct(line, at)
  for text in line:gmatch('[^~,]+') do
    local since, unpaid, last, part, part_at =
      text:match('^[^:]+:%d+:(%d+):?(%d*):?(%d*):?(%d*):?(%d*)$')
    local entry = {
      since = tonumber(since) or at, unpaid = tonumber(unpaid) or 0, last = tonumber(last) or 0,
      part = tonumber(part) or 0, part_at = tonumber(part_at) or 0,
    }
    if conduct_is_old(entry, at) then return true end
  end
  return false
end

local function is_open(field, line, at)
  local claim = record_parse(field, line)
  return (claim.state == CLAIM.HOLD or claim.state == CLAIM.PENDING)
    and tonumber(claim.deadline) <= at
end

local function has_work(names, at)
  for field in names:gmatch('[^,]+') do
    local lines = redis.call('HGET', KEYS[2], field) or ''
    for line in lines:gmatch('[^\n]+') do
      local is_conduct = line:byte() == CONDUCT_MARK
      if is_conduct and has_old_conduct(line, at) then return true end
      if not is_conduct and is_open(field, line, at) then return true end
    end
  end
  return false
end

local ended = 0
for number = 1, #ARGV do
  local at, names = ARGV[number]:match('^(%d+) (.*)$')
  if not at or not has_work(names, tonumber(at)) then
    ended = ended + redis.call('ZREM', KEYS[1], ARGV[number])
  end
end
return ended
