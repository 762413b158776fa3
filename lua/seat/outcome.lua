-- mark_asked, settle_payment: PAYING → OCCUPIED, or back to PENDING, or over. Both name the attempt
-- that they are about: messages about an earlier attempt change nothing.
-- id: the reservation; payment, attempt. settle_payment: outcome: approved | declined | withdrawn |
-- lost. approved: seats, amount, method, payment_key and money of the payment. declined: code of
-- the gateway. withdrawn: extra_ms to give back. lost: seats: those that an earlier sale has.
-- Replies: mark_asked: over asked
-- Replies: settle_payment: confirmed owed pending ended asked lost expired
local function is_paying(batch, claim, command)
  return claim and claim.payment == batch.arguments.payment[command]
    and claim.state == CLAIM.PAYING
    and money_of(claim).attempt == batch.arguments.attempt[command]
end

-- The reconciler is about to ask the gateway for the money of an attempt that another process
-- began, or the process that began it could not learn the outcome. From here on nobody can withdraw
-- the attempt.
commands.mark_asked = function(batch, match, command)
  local claim = named_claim(batch, match, command)
  if not is_paying(batch, claim, command) then return 'over' end
  -- all checked: write
  claim_changed(batch, claim)
  claim.payment_state = PAYMENT.ASKED
  return 'asked'
end

local function confirm(batch, match, claim)
  claim.state, claim.payment_state = CLAIM.CONFIRMED, PAYMENT.PAID
  claim.deadline = '0'
  claim.version = next_version(match)
  local value = SEAT.OCCUPIED .. claim.field
  for seat in claim.seats:gmatch('[^,]+') do match.changed[seat] = value end
  batch.seats_moved = batch.seats_moved + seat_count(claim.seats)
  match.buyers[claim.user], match.passes_used[claim.user] = true, true
  conduct_forget(batch, match.id, claim.user)
end

-- Seats that an earlier sale has in PostgreSQL show as sold, although Redis has forgotten to whom.
local function lose(batch, match, claim, sold)
  end_claim(batch, match, claim, ENDED.LOST)
  for _, seat in ipairs(sold) do
    if seat_state(batch, match, seat) == SEAT.AVAILABLE then match.changed[seat] = SEAT.OCCUPIED end
  end
  return 'lost'
end

-- After a payment that took no money: back to PENDING with the rest of its time, or with `extra_ms`
-- when the fault is on our side. Without any time left, the seats become free.
local function back_to_pending(batch, match, claim, extra_ms)
  claim.state = CLAIM.PENDING
  if extend_claim(batch, claim, extra_ms) > batch.now_text then
    return 'pending ' .. claim.deadline
  end
  end_claim(batch, match, claim, ENDED.EXPIRED)
  return 'expired'
end

-- The reservation does not wait for this attempt. Money that was charged all the same goes back:
-- the journal says so from here on, and this payment never begins again.
local function settle_late(batch, match, command, claim, outcome)
  local payment = batch.arguments.payment[command]
  local reason, ended = ended_claim(batch, match, batch.user_of[command], batch.id_of[command])
  local on_payment = claim and claim.payment == payment
  local refunded = reason == ENDED.REFUNDED and ended.payment == payment
  -- A later attempt asks the gateway itself, and will find the money.
  local begun_again = on_payment and claim.state == CLAIM.PAYING
  if outcome ~= 'approved' or refunded or begun_again then
    if on_payment and not begun_again then return 'pending ' .. claim.deadline end
    return 'ended ' .. (reason or 'UNKNOWN')
  end
  -- all checked: write
  if on_payment then
    claim_changed(batch, claim)
    claim.payment_state = PAYMENT.FAILED
  end
  local charged = claim_from_arguments(batch, match, command)
  return reply_with_payment_fact(batch, command, 'owed', 'refund_owed', charged)
end

commands.settle_payment = function(batch, match, command)
  local arguments = batch.arguments
  local payment, outcome = arguments.payment[command], arguments.outcome[command]
  local code, extra_ms = arguments.code[command], arguments.extra_ms[command]
  local claim = named_claim(batch, match, command)
  if not is_paying(batch, claim, command) then
    local sold = claim and (claim.state == CLAIM.CONFIRMED or claim.state == CLAIM.REFUNDING)
    if sold and claim.payment == payment then return 'confirmed' end
    return settle_late(batch, match, command, claim, outcome)
  end
  if outcome == 'withdrawn' and claim.payment_state == PAYMENT.ASKED then return 'asked' end
  -- all checked: write
  claim_changed(batch, claim)
  if outcome == 'approved' then
    confirm(batch, match, claim)
    return reply_with_payment_fact(batch, command, 'confirmed', 'payment_approved', claim)
  end
  if outcome == 'withdrawn' then
    claim.payment_state = PAYMENT.READY
    local reply = back_to_pending(batch, match, claim, extra_ms)
    return reply_with_payment_fact(batch, command, reply, 'payment_withdrawn', claim)
  end
  claim.payment_state = PAYMENT.FAILED
  if outcome == 'lost' then
    local reply = lose(batch, match, claim, seats_of(batch, match, command))
    return reply_with_payment_fact(batch, command, reply, 'payment_lost', claim)
  end
  local reply = back_to_pending(batch, match, claim, 0)
  return reply_with_payment_fact(batch, command, reply, 'payment_declined', claim, code)
end
