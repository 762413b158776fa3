-- The line of a waiting room. The score of a user is the number in the line times QUEUE_NUMBER
-- (2^26), plus the ticket. People who join before the sale opens have only a ticket, and the number
-- 0. When it opens, they get their numbers: as many as `early` were early, and `drawn` of them have
-- their number by now. Who joins later gets the ticket as number.
local QUEUE_NUMBER = 67108864

-- What the waiting room of a match is like now. `status` is nil when the match is not loaded.
local function queue_read(key, clock)
  local found = redis.call('HMGET', key, 'status', 'sale_opens_at', 'sale_closes_at',
    'queue_enabled', 'queue_paused', 'queue_random', 'queue_opens_at', 'queue_next', 'queue_early',
    'queue_drawn', 'queue_order', 'serving')
  local now = clock_now(clock)
  local loaded = clock.layout == LAYOUT and found[1]
  return {
    now = now, status = loaded and match_status(found[1], found[2], found[3], now) or nil,
    enabled = found[4] == '1', paused = found[5] == '1', random = found[6] == '1',
    opens_at = tonumber(found[7] or 0), next = tonumber(found[8] or 0),
    early = tonumber(found[9]), drawn = tonumber(found[10] or 0), order = found[11],
    serving = tonumber(found[12] or 0),
  }
end

-- The sale is open: everybody who has a ticket by now is early. This happens once in the life of a
-- match, so that nobody can be drawn again. The settings at this moment decide the order.
local function queue_open(key, queue)
  if queue.early or queue.status ~= MATCH.OPEN then return end
  queue.early, queue.order = queue.next, queue.random and 'random' or 'joined'
  redis.call('HSET', key, 'queue_early', string.format('%d', queue.early),
    'queue_drawn', '0', 'queue_order', queue.order)
end

-- The number and the ticket of a score.
local function queue_parse(score)
  score = tonumber(score)
  local number = math.floor(score / QUEUE_NUMBER)
  return number, score - number * QUEUE_NUMBER
end

local function queue_score(number, ticket)
  return string.format('%d', number * QUEUE_NUMBER + ticket)
end

-- Gives passes to these users from now on.
local function queue_let_in(key_meta, key_passes, queue, users)
  local ttl = redis.call('HGET', key_meta, 'queue_admission_ttl_ms')
  local ends_at, scores = pass_score(PASS.ADMITTED, queue.now + ttl), {}
  for number = 1, #users do
    scores[2 * number - 1], scores[2 * number] = ends_at, users[number]
  end
  redis.call('ZADD', key_passes, unpack(scores))
end
