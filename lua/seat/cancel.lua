-- cancel, settle_refund, expire: a reservation or a hold ends without a sale, or seats leave a
-- sale.
-- id: the claim. cancel: seats: those to cancel, none for all; prices: in KRW, in the order of the
-- seats, by comma. settle_refund: payment; refund: its number; outcome: done, or refused when the
-- gateway will not give the money back; code of the gateway.
-- Replies: cancel: archived not_found cancelled not_cancellable paying not_yours refunding
-- Replies: settle_refund: ended kept refunded
-- Replies: expire: kept expired

-- The seats that a cancel is about, by comma, and their amount; or nil, nil and a reply.
local function cancel_choice(batch, match, command, claim)
  if batch.seat_count_of[command] == 0 then return claim.seats, claim.amount end
  local named, chosen = seats_of(batch, match, command), {}
  local wanted = seat_set(table.concat(named, ','))
  for seat in claim.seats:gmatch('[^,]+') do
    if wanted[seat] then chosen[#chosen + 1] = seat end
  end
  if #chosen == #named then
    if #chosen == seat_count(claim.seats) then return claim.seats, claim.amount end
    local amount = 0
    for price in batch.arguments.prices[command]:gmatch('%d+') do amount = amount + price end
    if amount > tonumber(claim.amount) then return nil, nil, 'not_cancellable AMOUNT' end
    return table.concat(chosen, ','), whole(amount)
  end
  local refunded = seat_set(money_of(claim).back_seats)
  for _, seat in ipairs(named) do
    if not refunded[seat] then return nil, nil, 'not_yours' end
  end
  return nil, nil, 'cancelled'
end

-- What the refund under way gives back: `all` that is left of the sale, or a `part` of it; in KRW,
-- and for which seats.
local function refunding(claim, money)
  local all = money.part_seats == claim.seats
  return 'refunding ' .. claim.payment .. ' ' .. claim.payment_key .. ' ' .. whole(money.refund)
    .. (all and ' all ' or ' part ') .. money.part .. ' ' .. money.part_seats
end

-- A reservation that is paid is not free at once: the intent of the refund goes to the journal.
commands.cancel = function(batch, match, command)
  if match.status == MATCH.ARCHIVED then return 'archived' end
  local id, user = batch.id_of[command], batch.user_of[command]
  local claim = named_claim(batch, match, command)
  if not claim then
    local reason = ended_claim(batch, match, user, id)
    if not reason then return 'not_found' end
    if reason == ENDED.CANCELLED or reason == ENDED.REFUNDED then return 'cancelled' end
    return 'not_cancellable ' .. reason
  end
  if claim.state == CLAIM.HOLD then return 'not_found' end
  if claim.state == CLAIM.PAYING then return 'paying' end
  local money = money_of(claim)
  local seats, amount, refused = cancel_choice(batch, match, command, claim)
  if refused then return refused end
  if claim.state == CLAIM.REFUNDING then
    if money.part_seats ~= seats then return 'not_cancellable REFUNDING' end
    return refunding(claim, money)
  end
  local unpaid = claim.state == CLAIM.PENDING
  if unpaid and seats ~= claim.seats then return 'not_cancellable PENDING' end
  -- all checked: write
  if unpaid then
    end_claim(batch, match, claim, ENDED.CANCELLED)
    return 'cancelled'
  end
  money.refund, money.part, money.part_seats = money.refund + 1, amount, seats
  set_money(batch, claim, money)
  claim.state = CLAIM.REFUNDING
  return reply_with_payment_fact(batch, command, refunding(claim, money), 'refund_begun', claim)
end

-- The money of some seats is back: these are free, the others stay sold.
local function refund_part(batch, match, command, claim, money)
  for seat in money.part_seats:gmatch('[^,]+') do match.changed[seat] = false end
  shrink_claim(batch, claim, seats_without(claim.seats, seat_set(money.part_seats)))
  claim.state, claim.version = CLAIM.CONFIRMED, next_version(match)
  claim.amount = whole(claim.amount - money.part)
  local reply = reply_with_payment_fact(batch, command, 'refunded', 'refund_done', claim)
  money.back = whole(money.back + money.part)
  money.back_seats = join_seats(money.back_seats, money.part_seats)
  money.part, money.part_seats = '0', ''
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
    money.part, money.part_seats = '0', ''
    set_money(batch, claim, money)
    return reply
  end
  if money.part_seats ~= claim.seats then
    return refund_part(batch, match, command, claim, money)
  end
  end_claim(batch, match, claim, ENDED.REFUNDED)
  return reply_with_payment_fact(batch, command, 'refunded', 'payment_refunded', claim)
end

-- Looking for a claim ends it when its deadline has passed.
commands.expire = function(batch, match, command)
  return named_claim(batch, match, command) and 'kept' or 'expired'
end
