-- ask, outcome: PAYING → OCCUPIED, or back to PENDING, or over. Both name the attempt that they are
-- about: what is said of an earlier attempt changes nothing.
-- Replies: ask: over asked
-- Replies: outcome: confirmed owed pending ended asked lost expired
local function is_paying(claim, command, attempt)
  return claim and claim.payment == source_of[command] and claim.state == 'Y'
    and money_of(claim).attempt == tonumber(attempt)
end

-- The gateway is about to be asked for the money of an attempt that another one began: from here on
-- nobody can take the attempt back. source: the payment; first: attempt
commands.ask = function(match, command, claims)
  local claim = claim_of(match, claims, id_of[command])
  if not is_paying(claim, command, first_of[command]) then return 'over' end
  -- all checked: write
  claim_changed(claim)
  claim.payment_state = 'A'
  return 'asked'
end

-- Seats that an earlier sale has in PostgreSQL show as sold, though Redis has forgotten to whom.
local function outcome_lost(match, claim, sold)
  claim_end(match, claim, 'LOST')
  for _, seat in ipairs(sold) do
    if seat_of(match, seat) == 'A' then match.seat[seat] = 'O' end
  end
  return 'lost'
end

-- After a payment that took no money: back to PENDING with what is left of its time, or with
-- `extra_ms` when the fault was ours; without time left the seats become free.
local function outcome_unpaid(match, claim, extra_ms)
  claim.state = 'P'
  if claim_stretch(claim, extra_ms) > book.now_text then return 'pending ' .. claim.deadline end
  claim_end(match, claim, 'EXPIRED')
  return 'expired'
end

-- The reservation does not wait for this attempt. Money that has moved all the same goes back: the
-- journal knows that from here on, and this payment never begins again.
local function outcome_late(match, claim, command, approved)
  local reason, last = claim_ended(match, user_of[command], id_of[command])
  local mine = claim and claim.payment == source_of[command]
  local given_back = reason == 'REFUNDED' and last.payment == source_of[command]
  -- A later attempt asks the gateway itself, and will hear of the money.
  local begun_again = mine and claim.state == 'Y'
  if not approved or given_back or begun_again then
    if mine and not begun_again then
      return 'pending ' .. claim.deadline
    end
    return 'ended ' .. (reason or 'UNKNOWN')
  end
  -- all checked: write
  if mine then
    claim_changed(claim)
    claim.payment_state = 'F'
  end
  return payment_fact(command, 'owed', 'refund_owed', claim_told(match, command))
end

-- source: the payment; first: approved | declined | withdrawn | lost, and the attempt; second: what
-- `claim_told` reads (approved), code of the gateway (declined), time to give back in ms
-- (withdrawn); seats: those paid for (approved), those already sold (lost)
commands.outcome = function(match, command, claims)
  local kind, attempt = first_of[command]:match('^(%a+) (%d+)$')
  local claim, approved = claim_of(match, claims, id_of[command]), kind == 'approved'
  if not is_paying(claim, command, attempt) then
    local kept = claim and (claim.state == 'C' or claim.state == 'R')
    if kept and claim.payment == source_of[command] then return 'confirmed' end
    return outcome_late(match, claim, command, approved)
  end
  if kind == 'withdrawn' and claim.payment_state == 'A' then return 'asked' end
  -- all checked: write
  claim_changed(claim)
  if approved then
    claim.state, claim.payment_state, claim.deadline = 'C', 'P', '0'
    claim.version = next_version(match)
    for seat in claim.seats:gmatch('[^,]+') do match.seat[seat] = 'O' .. claim.user end
    book.moved = book.moved + seat_count(claim)
    match.passes_used[claim.user] = true
    return payment_fact(command, 'confirmed', 'payment_approved', claim)
  end
  if kind == 'withdrawn' then
    claim.payment_state = 'R'
    local reply = outcome_unpaid(match, claim, second_of[command])
    return payment_fact(command, reply, 'payment_withdrawn', claim)
  end
  claim.payment_state = 'F'
  if kind == 'lost' then
    local sold = seats_of(match, command)
    return payment_fact(command, outcome_lost(match, claim, sold), 'payment_lost', claim)
  end
  local reply = outcome_unpaid(match, claim, 0)
  return payment_fact(command, reply, 'payment_declined', claim, second_of[command])
end
