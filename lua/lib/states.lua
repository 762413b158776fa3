-- The states, and the letters that stand for them in Redis. `src/domain/seat.rs` and
-- `src/domain/claim.rs` have the same letters, and a test compares them.

-- The form of seats and claims in Redis. A release that stores them in another form takes the next
-- number. Partitions of an earlier number are then loaded from PostgreSQL again.
local LAYOUT = '6'

-- HOLD and PENDING are the same letters for a claim and for its seats, because a new claim gives
-- its own letter to its seats.
local SEAT = { AVAILABLE = 'A', HOLD = 'H', PENDING = 'P', OCCUPIED = 'O', BLOCKED = 'B' }

local CLAIM = { HOLD = 'H', PENDING = 'P', PAYING = 'Y', CONFIRMED = 'C', REFUNDING = 'R' }

-- ASKED: the payment is in progress, and the reconciler asks the gateway for its outcome.
local PAYMENT = { READY = 'r', IN_PROGRESS = 'i', ASKED = 'a', PAID = 'p', FAILED = 'f' }

-- Why a claim has ended.
local ENDED = {
  RESERVED = 'RESERVED', RELEASED = 'RELEASED', EXPIRED = 'EXPIRED', CANCELLED = 'CANCELLED',
  REFUNDED = 'REFUNDED', LOST = 'LOST',
}

local MATCH = { OPEN = 'OPEN', ARCHIVED = 'ARCHIVED' }
