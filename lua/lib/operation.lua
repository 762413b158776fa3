-- The answers given under a client's Idempotency-Key, and claims that ended not long ago.
-- Three hashes in a ring, one per period; an answer is found for one to two periods (8 to 16 min).
local OPERATION_PERIOD_MS = 480000

local function operation_ring(keys, now)
  local period = math.floor(now / OPERATION_PERIOD_MS)
  return {
    current = keys[period % 3 + 1],
    previous = keys[(period + 2) % 3 + 1],
    expires_at = (period + 2) * OPERATION_PERIOD_MS,
  }
end

local function operation_find(ring, field)
  return redis.call('HGET', ring.current, field) or redis.call('HGET', ring.previous, field)
end

-- `pairs_flat` is field, value, field, value.
local function operation_store(ring, pairs_flat)
  redis.call('HSET', ring.current, unpack(pairs_flat))
  redis.call('PEXPIREAT', ring.current, string.format('%.0f', ring.expires_at))
end

-- The first answer of a key: nil when the key is new, `exists_different` for another body.
local function operation_replay(ring, operation, fingerprint)
  if operation == '' then return nil end
  local stored = operation_find(ring, operation)
  if not stored then return nil end
  local print, answer = stored:match('^(%S+) (.*)$')
  return print == fingerprint and answer or 'exists_different'
end
