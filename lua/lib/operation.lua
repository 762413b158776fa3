-- The answers under the Idempotency-Keys of clients, and notes about claims that have ended.
-- Both are in three hashes, one per period: an answer is found for one to two periods (25 to 50
-- minutes). A period is longer than the hold time, the time to pay, and 10 minutes together, so
-- that a buyer who comes back in time still finds the answer.
local OPERATION_PERIOD_MS = 1500000

-- What the names of notes begin with. ENDED: why a claim has ended, by its id; PAYMENT: the
-- reservation of a payment; RELEASED: who has released a single seat; KEY: the body that a user has
-- sent with an Idempotency-Key. src/engine/claims.rs reads some of them.
local NOTE = { ENDED = 'e:', PAYMENT = 'p:', RELEASED = 'r:', KEY = 'k:' }

local function operation_ring(keys, now)
  local period = math.floor(now / OPERATION_PERIOD_MS)
  return {
    current = keys[period % 3 + 1],
    previous = keys[(period + 2) % 3 + 1],
    expires_in_ms = (period + 2) * OPERATION_PERIOD_MS - now,
  }
end

local function operation_find(ring, field)
  if field == '' then return nil end
  return redis.call('HGET', ring.current, field) or redis.call('HGET', ring.previous, field)
end

-- `pairs_flat` is field, value, field, value; `size` is the number of its values.
local function operation_store(ring, pairs_flat, size)
  if size == 0 then return end
  local portion = 6000 -- an even number, and fewer values than `unpack` takes
  for first = 1, size, portion do
    redis.call('HSET', ring.current, unpack(pairs_flat, first, math.min(first + portion - 1, size)))
  end
  -- In ms from now, because Redis counts by its own clock and not by that of the partition.
  redis.call('PEXPIRE', ring.current, string.format('%d', ring.expires_in_ms))
end

-- The answer in a stored text: nil when the key is new, `exists_different` for another body.
local function operation_replay(stored, fingerprint)
  if not stored then return nil end
  local print, answer = stored:match('^(%S+) (.*)$')
  return print == fingerprint and answer or 'exists_different'
end
