-- settle_refund: the end of a refund: its seats leave the sale, or stay in it.
-- id: the reservation; payment; refund: its number; outcome: done, or refused when the gateway will
-- not give the money back; code of the gateway.
-- Replies: settle_refund: ended kept refunded

-- The money of some seats is back: these are free, the others stay sold.
local function refund_part(batch, match, command, claim, money)
  for seat in money.part_seats:gmatch('[^,]+') do match.changed[seat] = false end
  shrink_claim(batch, claim, seats_without(claim.seats, seat_set(money.part_seats)))
  claim.state, claim.version = CLAIM.CONFIRMED, next_version(match)
  claim.amount = whole(claim.amount - money.part - money.part_fee)
  local reply = reply_with_payment_fact(batch, command, 'refunded', 'refund_done', claim)
  money.back, money.back_fees =
    whole(money.back + money.part), whole(money.back_fees + money.part_fee)
  money.back_seats = join_seats(money.back_seats, money.part_seats)
  money.part, money.part_seats, money.part_fee = '0', '', '0'
  set_money(batch, claim, money)
  return reply
end

commands.settle_refund = function(batch, match, command)
  local arguments = batch.arguments
  local payment, refund = arguments.payment[command], arguments.refund[command]
  local outcome, code = arguments.outcome[command], arguments.code[command]
  local claim = named_claim(batch, match, command)
  local waits = claim and claim.payment == payment and claim.state == CLAIM.REFUNDING
  if not waits then return 'ended' end
  local money = money_of(claim)
  if money.refund ~= refund then return 'ended' end
  -- all checked: write
  if outcome == 'refused' then
    claim_changed(batch, claim)
    claim.state = CLAIM.CONFIRMED
    local reply = reply_with_payment_fact(batch, command, 'kept', 'refund_refused', claim, code)
    money.part, money.part_seats, money.part_fee = '0', '', '0'
    set_money(batch, claim, money)
    return reply
  end
  if money.part_seats ~= claim.seats then
    return refund_part(batch, match, command, claim, money)
  end
  end_claim(batch, match, claim, ENDED.REFUNDED)
  return reply_with_payment_fact(batch, command, 'refunded', 'payment_refunded', claim)
end
