-- tell_again, free_seats: repairs of what the workers have found by comparing with PostgreSQL.
-- tell_again: id: the reservation; payment; step: begin, outcome or refund; attempt (outcome) or
-- refund, its number; for a refund also seats, amount, method, payment_key and money, as PostgreSQL
-- has the reservation. free_seats: seats; seat_value: their value in Redis.
-- Replies: tell_again: gone waits told
-- Replies: free_seats: kept freed

-- The claim with some fields changed. The claim itself stays as it is.
local function claim_with(claim, changed)
  return setmetatable(changed, { __index = claim })
end

local function tell(batch, command, kind, claim)
  return reply_with_payment_fact(batch, command, 'told', kind, claim)
end

local function tell_refund_under_way(batch, command, claim)
  if claim.state == CLAIM.REFUNDING then tell(batch, command, 'refund_begun', claim) end
end

-- Tells the sale as it was made, then the refunds that are done, then the refund under way. Several
-- refunds that are done are told as one, under the number of the last of them.
local function tell_sale(batch, command, claim)
  local money = money_of(claim)
  local sold = claim_with(claim, {
    seats = join_seats(claim.seats, money.back_seats),
    amount = charged_for(claim, money), money = whole(money.attempt),
  })
  tell(batch, command, 'payment_approved', sold)
  if money.back_seats ~= '' then
    local last = claim.state == CLAIM.REFUNDING and money.refund - 1 or money.refund
    local done = money_text({
      attempt = money.attempt, refund = last, part = money.back, part_seats = money.back_seats,
      back = '0', back_seats = '', part_fee = money.back_fees, back_fees = '0',
    })
    tell(batch, command, 'refund_begun', claim_with(sold, { money = done }))
    tell(batch, command, 'refund_done', claim_with(claim, { money = done }))
  end
  tell_refund_under_way(batch, command, claim)
end

-- Tells the end of a refund: its seats have left the sale, or they have stayed in it.
local function tell_refund(batch, match, command, claim)
  local stored = claim_from_arguments(batch, match, command)
  local money = money_of(stored)
  local gone = {}
  for seat in money.part_seats:gmatch('[^,]+') do gone[seat] = not has_seat(claim.seats, seat) end
  if gone[money.part_seats:match('%d+')] then
    stored.seats = seats_without(stored.seats, gone)
    stored.amount = whole(stored.amount - money.part - money.part_fee)
    tell(batch, command, 'refund_done', stored)
  else
    tell(batch, command, 'refund_refused', stored)
  end
  tell_refund_under_way(batch, command, claim)
end

-- PostgreSQL has all of the journal, and a payment there waits for a step that was taken here. The
-- fact of the step is written again, because the first one had no effect.
commands.tell_again = function(batch, match, command)
  local arguments = batch.arguments
  local payment, step = arguments.payment[command], arguments.step[command]
  local attempt, refund = arguments.attempt[command], arguments.refund[command]
  local claim = named_claim(batch, match, command)
  if not claim or claim.payment ~= payment then return 'gone' end
  local money, state = money_of(claim), claim.state
  if step == 'begin' then
    local kind = state == CLAIM.PAYING and 'payment_begun'
      or state == CLAIM.REFUNDING and 'refund_begun'
    if not kind then return 'waits' end
    -- all checked: write
    return reply_with_payment_fact(batch, command, 'told', kind, claim)
  end
  if state == CLAIM.PAYING then return 'waits' end
  if step == 'refund' then
    local over = money.refund > refund
      or money.refund == refund and state == CLAIM.CONFIRMED
    if not over then return 'waits' end
    -- all checked: write
    tell_refund(batch, match, command, claim)
    return 'told'
  end
  -- Redis may have lost the begin of that attempt. An earlier attempt says nothing about it.
  if money.attempt < attempt then return 'waits' end
  -- all checked: write
  if state == CLAIM.CONFIRMED or state == CLAIM.REFUNDING then
    tell_sale(batch, command, claim)
  elseif claim.payment_state == PAYMENT.READY then
    tell(batch, command, 'payment_withdrawn', claim)
  else
    tell(batch, command, 'payment_declined', claim)
  end
  return 'told'
end

-- Frees seats of a user who has no hold or reservation on them, and seats that are sold to nobody
-- here and in PostgreSQL. Each seat is checked again here, where nothing can change meanwhile.
commands.free_seats = function(batch, match, command)
  local wanted, found = batch.arguments.seat_value[command], {}
  for _, seat in ipairs(seats_of(batch, match, command)) do
    local value = seat_value(match, seat)
    local _, claim = state_of(batch, match, seat, value)
    local untouched = match.changed[seat] == nil
    if value == wanted and not claim and untouched then found[#found + 1] = seat end
  end
  if #found == 0 then return 'kept' end
  -- all checked: write
  next_version(match)
  for _, seat in ipairs(found) do match.changed[seat] = false end
  return 'freed'
end
