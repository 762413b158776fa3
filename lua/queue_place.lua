-- The places of some users in the queue of a match: each joins, or only looks. To look picks an
-- admission up, so that the pass begins. To peek changes nothing.
-- KEYS[1]  HASH  meta   KEYS[2]  ZSET  queue: user by number and ticket
-- KEYS[3]  ZSET  passes: user by kind and end   KEYS[4]  HASH  partition   KEYS[5]  HASH  seats
-- ARGV[1]  seats of the site; 0: unknown
-- ARGV[2..]  user, join | look | peek; for each user
-- Replies: not_loaded ended off admitted waiting none not_open sold_out full, a line for each user
-- Cost: O(users · log people waiting)
local queue = queue_read(KEYS[1], clock_read(KEYS[4]))

local function refused()
  if not queue.status then return 'not_loaded' end
  if queue.status == MATCH.CLOSED or queue.status == MATCH.ARCHIVED then return 'ended' end
  if not queue.enabled then return 'off' end
end

local users = {}
for number = 2, #ARGV, 2 do users[#users + 1] = ARGV[number] end
local lines = {}
if refused() then
  for number = 1, #users do lines[number] = refused() end
  return table.concat(lines, '\n')
end

local is_open = queue.status == MATCH.OPEN
local passes = redis.call('ZMSCORE', KEYS[3], unpack(users))
local scores = redis.call('ZMSCORE', KEYS[2], unpack(users))
-- The scores of users whose pass begins in this call.
local picked_up = {}
local pass_ttl, seats_free, undrawn

local function pick_up(user)
  pass_ttl = pass_ttl or redis.call('HGET', KEYS[1], 'queue_pass_ttl_ms')
  local ends_at = queue.now + pass_ttl
  picked_up[#picked_up + 1], picked_up[#picked_up + 2] = pass_score(PASS.CHOOSING, ends_at), user
  return ends_at
end

local function cannot_join()
  local too_early = queue.now < queue.opens_at or (not is_open and queue.opens_at == 0)
  if too_early or (not is_open and queue.status ~= MATCH.ANNOUNCED) then
    return 'not_open ' .. string.format('%d', queue.opens_at)
  end
  -- Before the opening no seat is sold. Blocked seats may be given back by then.
  local seats = is_open and tonumber(ARGV[1]) or 0
  seats_free = seats_free or seats - redis.call('HLEN', KEYS[5])
  if seats > 0 and seats_free <= 0 then return 'sold_out' end
  if queue.next + 1 >= QUEUE_NUMBER then return 'full' end
end

local function join(user)
  queue.next = queue.next + 1
  local number = queue.early and queue.next or 0
  local score = queue_score(number, queue.next)
  redis.call('ZADD', KEYS[2], score, user)
  return score
end

-- People with these numbers, the first and the last.
local function count_numbers(first, last)
  local from, upto = queue_score(first, 0), '(' .. queue_score(last + 1, 0)
  return redis.call('ZCOUNT', KEYS[2], from, upto)
end

-- People in front of a user with this number. Those without a number have the lowest scores,
-- wherever they will be. `is_drawn`: the user's own number is in Redis.
local function ahead_of(user, number, is_drawn)
  local ahead = redis.call('ZRANK', KEYS[2], user)
  local early = queue.early or 0
  if number > early then return ahead end
  if not is_drawn then return ahead + count_numbers(1, early) end
  undrawn = undrawn or count_numbers(0, 0)
  return ahead - undrawn
end

local function waiting(user, score)
  local number, ticket = queue_parse(score)
  local is_drawn = number > 0
  local order = queue.order or (queue.random and 'random' or 'joined')
  if not is_drawn and order == 'joined' then number = ticket end
  local ahead = number > 0 and ahead_of(user, number, is_drawn) or 0
  return 'waiting ' .. string.format('%d %d %d %d', number, ticket, ahead, queue.serving)
end

-- all checked: write
queue_open(KEYS[1], queue)
local before, scores_now = queue.next, {}
for number, user in ipairs(users) do
  local verb = ARGV[2 * number + 1]
  local kind, ends_at = PASS.ADMITTED, 0
  if passes[number] then kind, ends_at = pass_parse(passes[number]) end
  local score, reply = scores_now[user] or scores[number], 'none'
  if ends_at > queue.now then
    if kind == PASS.ADMITTED and verb ~= 'peek' then ends_at = pick_up(user) end
    reply = 'admitted ' .. string.format('%d %d', ends_at, queue.serving)
  elseif score then
    reply = waiting(user, score)
  elseif verb == 'join' then
    reply = cannot_join()
    if not reply then
      scores_now[user] = join(user)
      reply = waiting(user, scores_now[user])
    end
  end
  lines[number] = reply
end
if queue.next > before then
  redis.call('HSET', KEYS[1], 'queue_next', string.format('%d', queue.next))
end
if #picked_up > 0 then redis.call('ZADD', KEYS[3], unpack(picked_up)) end
return table.concat(lines, '\n')
