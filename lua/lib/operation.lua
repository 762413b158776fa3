-- The answers given under a client's Idempotency-Key, and claims that ended not long ago.
-- Three hashes in a ring, one per period; an answer is found for one to two periods (25 to 50 min).
-- A period is hold, time to pay, and 10 minutes: whoever comes back in time finds the answer.
local OPERATION_PERIOD_MS = 1500000

local function operation_ring(keys, now)
  local period = math.floor(now / OPERATION_PERIOD_MS)
  return {
    current = keys[period % 3 + 1],
    previous = keys[(period + 2) % 3 + 1],
    expires_in = (period + 2) * OPERATION_PERIOD_MS - now,
  }
end

local function operation_find(ring, field)
  if field == '' then return nil end
  return redis.call('HGET', ring.current, field) or redis.call('HGET', ring.previous, field)
end

-- `pairs_flat` is field, value, field, value; `size` how many of its places are in use.
local function operation_store(ring, pairs_flat, size)
  if size == 0 then return end
  local portion = 6000 -- even, and below what unpack takes
  for first = 1, size, portion do
    redis.call('HSET', ring.current, unpack(pairs_flat, first, math.min(first + portion - 1, size)))
  end
  -- In ms from now: `now` is the clock of the partition, and Redis counts by its own.
  redis.call('PEXPIRE', ring.current, string.format('%d', ring.expires_in))
end

-- The first answer of a key, from what is stored under it: nil when the key is new,
-- `exists_different` for another body.
local function operation_replay(stored, fingerprint)
  if not stored then return nil end
  local print, answer = stored:match('^(%S+) (.*)$')
  return print == fingerprint and answer or 'exists_different'
end
