-- Lets people in: at the set rate, while there are fewer active passes than the set number; and
-- tells how many wait when that has changed, also while nobody is let in.
-- KEYS[1]  HASH  meta   KEYS[2]  ZSET  queue   KEYS[3]  ZSET  passes   KEYS[4]  STREAM changes
-- KEYS[5]  HASH  partition
-- Replies: off closed idle admitted
-- Emits: changes: q with serving, people waiting, people admitted now
-- Cost: O(people admitted · log people waiting)
local now = clock_now(clock_read(KEYS[5]))
local meta = redis.call('HMGET', KEYS[1], 'queue_enabled', 'status', 'queue_paused',
  'queue_opens_at', 'queue_per_minute', 'queue_active_max', 'queue_pass_ttl_ms', 'queue_last_at',
  'serving', 'queue_told')
if meta[1] ~= '1' then return { 'off' } end
if meta[2] ~= 'OPEN' then return { 'closed' } end
-- all checked: write
local function tell(serving, admitted)
  local waiting = redis.call('ZCARD', KEYS[2])
  if admitted == 0 and waiting == tonumber(meta[10] or 0) then return end
  redis.call('HSET', KEYS[1], 'serving', serving, 'queue_told', waiting)
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', 10000, '*', 'q',
    serving .. ' ' .. waiting .. ' ' .. admitted)
end
local before = meta[9] or '0'
if meta[3] == '1' or now < tonumber(meta[4]) then
  tell(before, 0)
  return { 'closed' }
end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
local free = tonumber(meta[6]) - redis.call('ZCARD', KEYS[3])
-- The right to admit grows with time; what nobody used is kept for one second at the most.
local per_ms = tonumber(meta[5]) / 60000
-- A last time that is ahead is that of a clock which began again.
local last = math.min(tonumber(meta[8] or 0), now)
local since = math.max(last, now - math.max(1000, 1 / per_ms))
-- The thousandth makes up for the steps of doubles near the number of ms since 1970.
local due = math.floor((now - since) * per_ms + 0.001)
local count = math.min(free, due, 1000)
local people = count > 0 and redis.call('ZPOPMIN', KEYS[2], count) or {}
local last_at = since + #people / 2 / per_ms
redis.call('HSET', KEYS[1], 'queue_last_at', string.format('%.3f', last_at))
if #people == 0 then
  tell(before, 0)
  return { 'idle' }
end
local passes = {}
for number = 1, #people, 2 do
  passes[#passes + 1] = string.format('%.0f', now + tonumber(meta[7]))
  passes[#passes + 1] = people[number]
end
redis.call('ZADD', KEYS[3], unpack(passes))
local serving = people[#people]
tell(serving, #people / 2)
return { 'admitted', #people / 2, serving }
