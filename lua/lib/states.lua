-- The states, and the letters that stand for them in Redis. `src/domain/seat.rs` and
-- `src/domain/claim.rs` have the same letters, and a test compares them.

-- The form of seats and claims in Redis. A release that stores them in another form takes the next
-- number. Partitions of an earlier number are then loaded from PostgreSQL again.
local LAYOUT = '8'

-- HOLD and PENDING are the same letters for a claim and for its seats, because a new claim gives
-- its own letter to its seats.
local SEAT = { AVAILABLE = 'A', HOLD = 'H', PENDING = 'P', OCCUPIED = 'O', BLOCKED = 'B' }

local CLAIM = { HOLD = 'H', PENDING = 'P', PAYING = 'Y', CONFIRMED = 'C', REFUNDING = 'R' }

-- ASKED: the payment is in progress, and it is not known what the gateway has done. The reconciler
-- asks it.
local PAYMENT = { READY = 'r', IN_PROGRESS = 'i', ASKED = 'a', PAID = 'p', FAILED = 'f' }

-- Why a claim has ended.
local ENDED = {
  RESERVED = 'RESERVED', RELEASED = 'RELEASED', EXPIRED = 'EXPIRED', CANCELLED = 'CANCELLED',
  REFUNDED = 'REFUNDED', LOST = 'LOST',
}

local MATCH = {
  ANNOUNCED = 'ANNOUNCED', OPEN = 'OPEN', CLOSED = 'CLOSED', ARCHIVED = 'ARCHIVED',
}

-- The status of a match by the clock, because the sale opens and ends at its times even while no
-- worker changes the match. The times are in ms; an announced match with the time 0 is opened by
-- hand.
local function match_status(status, opens_at, closes_at, now)
  opens_at, closes_at = tonumber(opens_at or 0), tonumber(closes_at or 0)
  if status == MATCH.ANNOUNCED and opens_at > 0 and now >= opens_at then status = MATCH.OPEN end
  if status == MATCH.OPEN and closes_at > 0 and now >= closes_at then return MATCH.CLOSED end
  return status
end
