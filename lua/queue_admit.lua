-- Lets people in at the set rate, while there are fewer active passes than the set number. Joining
-- and leaving only change the queue. This script, which runs a few times a second, writes to the
-- changes how many wait.
-- KEYS[1]  HASH  meta   KEYS[2]  ZSET  queue   KEYS[3]  ZSET  passes   KEYS[4]  STREAM changes
-- KEYS[5]  HASH  partition
-- Replies: off closed idle admitted
-- Emits: changes: q with serving, people waiting, people admitted now
-- Cost: O(people admitted · log people waiting)
-- While somebody waits, the numbers are written at least at this interval, because clients estimate
-- the pace of the queue from the time between them.
local WRITE_INTERVAL_MS = 5000
local now = clock_now(clock_read(KEYS[5]))
local meta = redis.call('HMGET', KEYS[1], 'queue_enabled', 'status', 'queue_paused',
  'queue_opens_at', 'queue_per_minute', 'queue_active_max', 'queue_pass_ttl_ms', 'queue_last_at',
  'serving', 'queue_told', 'queue_told_at')
if meta[1] ~= '1' then return { 'off' } end
local closed = meta[2] ~= 'OPEN' or meta[3] == '1' or now < tonumber(meta[4])
local serving, people = meta[9] or '0', {}
-- all checked: write
if not closed then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
  local free = tonumber(meta[6]) - redis.call('ZCARD', KEYS[3])
  -- The number of people to admit grows with time, and is saved up for one second at most.
  local per_ms = tonumber(meta[5]) / 60000
  -- A last time in the future comes from before the clock of the partition started again.
  local last = math.min(tonumber(meta[8] or 0), now)
  local since = math.max(last, now - math.max(1000, 1 / per_ms))
  -- The thousandth makes up for the rounding of doubles as large as the ms since 1970.
  local due = math.floor((now - since) * per_ms + 0.001)
  local count = math.min(free, due, 1000)
  people = count > 0 and redis.call('ZPOPMIN', KEYS[2], count) or {}
  local last_at = since + #people / 2 / per_ms
  redis.call('HSET', KEYS[1], 'queue_last_at', string.format('%.3f', last_at))
end
local passes = {}
for number = 1, #people, 2 do
  passes[#passes + 1] = string.format('%.0f', now + tonumber(meta[7]))
  passes[#passes + 1] = people[number]
end
if #people > 0 then
  redis.call('ZADD', KEYS[3], unpack(passes))
  serving = people[#people]
  redis.call('HSET', KEYS[1], 'serving', serving)
end
local waiting = redis.call('ZCARD', KEYS[2])
local old = waiting > 0 and now - tonumber(meta[11] or 0) >= WRITE_INTERVAL_MS
if #people > 0 or waiting ~= tonumber(meta[10] or 0) or old then
  redis.call('HSET', KEYS[1], 'queue_told', waiting, 'queue_told_at', string.format('%.0f', now))
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', 10000, '*', 'q',
    serving .. ' ' .. waiting .. ' ' .. #people / 2)
end
if #people > 0 then return { 'admitted', #people / 2, serving } end
return { closed and 'closed' or 'idle' }
