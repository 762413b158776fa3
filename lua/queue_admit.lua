-- Lets people in: at the set rate, while there are fewer passes than the set number, and not more
-- buyers without seats than the free seats can serve. Joining and leaving only change the queue.
-- This script, which runs a few times a second, writes to the changes how many wait.
-- KEYS[1]  HASH  meta   KEYS[2]  ZSET  queue   KEYS[3]  ZSET  passes   KEYS[4]  STREAM changes
-- KEYS[5]  HASH  partition   KEYS[6]  HASH  seats
-- KEYS[7..9]  HASH  ring of answers under an Idempotency-Key   KEYS[10]  STREAM  journal
-- ARGV[1]  seats of the site; 0: unknown
-- ARGV[2]  people to let in at once, whatever the settings; 0: as the settings say
-- ARGV[3]  operation   ARGV[4]  fingerprint
-- ARGV[5]  JSON of the entry of the audit trail, or empty
-- Replies: not_loaded off exists_different admitted_before closed idle admitted, then: people let
-- in, drawn, early, the order, people who wait, and how many were drawn in the published draw
-- Emits: changes: q with serving, people waiting, people admitted now, 1 if slowed, how many were
--        drawn in the published draw (or -); journal: trail
-- Cost: O(people admitted · log people waiting)
-- While somebody waits, the numbers are written at least at this interval, because clients estimate
-- the pace of the queue from the time between them.
local WRITE_INTERVAL_MS = 5000
-- People of one call: below 10 ms of Redis while a million wait.
local PEOPLE_MAX = 1000

local queue = queue_read(KEYS[1], clock_read(KEYS[5]))
if not queue.status then return { 'not_loaded' } end
if not queue.enabled then return { 'off' } end
local is_open, now = queue.status == MATCH.OPEN, queue.now
local ring = operation_ring({ KEYS[7], KEYS[8], KEYS[9] }, now)
local answer = operation_replay(operation_find(ring, ARGV[3]), ARGV[4])
if answer == 'exists_different' then return { 'exists_different' } end
if answer then return { 'admitted_before', tonumber(answer) } end
local set = redis.call('HMGET', KEYS[1], 'queue_per_minute', 'queue_active_max',
  'queue_buyers_per_free_seat', 'queue_last_at', 'queue_told', 'queue_told_at',
  'queue_draw_published')
local forced = tonumber(ARGV[2])

-- How many more people may be inside.
local function room_inside()
  for kind = PASS.ADMITTED, PASS.BUYING do
    local from = pass_score(kind, 0)
    redis.call('ZREMRANGEBYSCORE', KEYS[3], from, pass_score(kind, now))
  end
  local room = tonumber(set[2]) - redis.call('ZCARD', KEYS[3])
  local seats = tonumber(ARGV[1])
  if seats == 0 then return room end
  local free = math.max(0, seats - redis.call('HLEN', KEYS[6]))
  local buyers = redis.call('ZCOUNT', KEYS[3], '-inf', '(' .. pass_score(PASS.BUYING, 0))
  -- The thousandth makes up for the rounding of a factor such as 0.1.
  local served = math.ceil(free * tonumber(set[3]) - 0.001)
  return math.min(room, served - buyers)
end

-- The number of people to admit grows with time, and is saved up for one second at most.
local per_ms = tonumber(set[1]) / 60000
-- A last time in the future comes from before the clock of the partition started again.
local last = math.min(tonumber(set[4] or 0), now)
local since = math.max(last, now - math.max(1000, 1 / per_ms))

-- Takes the first people out of the line who have their number.
local function take(count)
  local upto = '+inf'
  if queue.drawn < queue.early then upto = '(' .. queue_score(queue.drawn + 1, 0) end
  local users, numbers = {}, {}
  if count < 1 then return users end
  local found = redis.call('ZRANGE', KEYS[2], QUEUE_NUMBER, upto, 'BYSCORE', 'LIMIT', 0, count,
    'WITHSCORES')
  for place = 1, #found, 2 do
    users[#users + 1], numbers[#numbers + 1] = found[place], found[place + 1]
  end
  if #users > 0 then
    redis.call('ZREM', KEYS[2], unpack(users))
    queue_let_in(KEYS[1], KEYS[3], queue, users)
    queue.serving = math.max(queue.serving, (queue_parse(numbers[#numbers])))
    redis.call('HSET', KEYS[1], 'serving', string.format('%d', queue.serving))
  end
  return users
end

-- all checked: write
trail_add(KEYS[10], ARGV[5])
queue_open(KEYS[1], queue)
local people, slowed = {}, false
if is_open then
  -- The thousandth makes up for the rounding of doubles as large as the ms since 1970.
  local due, room = math.floor((now - since) * per_ms + 0.001), room_inside()
  slowed = not queue.paused and (room <= 0 or room < due)
  if forced > 0 then
    people = take(math.min(forced, PEOPLE_MAX))
  elseif not queue.paused then
    people = take(math.min(room, due, PEOPLE_MAX))
    local last_at = since + #people / per_ms
    redis.call('HSET', KEYS[1], 'queue_last_at', string.format('%.3f', last_at))
  end
end
local waiting = redis.call('ZCARD', KEYS[2])
local rest = (slowed and waiting > 0 and '1 ' or '0 ') .. (set[7] or '-')
local told = waiting .. ' ' .. rest
local old = waiting > 0 and now - tonumber(set[6] or 0) >= WRITE_INTERVAL_MS
if #people > 0 or told ~= (set[5] or '0 0 -') or old then
  redis.call('HSET', KEYS[1], 'queue_told', told, 'queue_told_at', string.format('%d', now))
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', 10000, '*', 'q',
    string.format('%d %d %d ', queue.serving, waiting, #people) .. rest)
end
if ARGV[3] ~= '' then
  operation_store(ring, { ARGV[3], ARGV[4] .. ' ' .. #people }, 2)
end
local reply = (#people > 0 and 'admitted') or (not is_open and 'closed') or 'idle'
return {
  reply, #people, queue.drawn, queue.early or 0, queue.order or '', waiting, set[7] or '',
}
