-- cancel, refund, expire: the ways in which a reservation or a hold ends without a sale, and in
-- which seats leave one that is sold.
-- Replies: cancel: not_found cancelled not_cancellable paying not_yours refunding
-- Replies: refund: ended kept refunded
-- Replies: expire: kept expired
local function seat_set(text)
  local set = {}
  for seat in text:gmatch('[^,]+') do set[seat] = true end
  return set
end

-- Which seats of a reservation a cancel is about, by comma, and what they cost; all without names.
local function cancel_choice(claim, command)
  local whole = table.concat(claim.seats, ',')
  if #command.seats == 0 then return whole, claim.amount end
  local wanted, chosen, amount = seat_set(table.concat(command.seats, ',')), {}, 0
  for _, seat in ipairs(claim.seats) do
    if wanted[seat] then chosen[#chosen + 1] = seat end
  end
  if #chosen == #command.seats then
    if #chosen == #claim.seats then return whole, claim.amount end
    for price in command.first:gmatch('%d+') do amount = amount + price end
    if amount >= tonumber(claim.amount) then return nil, nil, { 'not_cancellable', 'AMOUNT' } end
    return table.concat(chosen, ','), string.format('%.0f', amount)
  end
  local back = seat_set(money_of(claim).back_seats)
  for _, seat in ipairs(command.seats) do
    if not back[seat] then return nil, nil, { 'not_yours' } end
  end
  return nil, nil, { 'cancelled' }
end

-- A full refund is answered with `-` for its amount: all that is left.
local function refunding(claim, money)
  local all = money.part_seats == table.concat(claim.seats, ',')
  return { 'refunding', claim.payment, claim.payment_key, string.format('%.0f', money.refund),
    all and '-' or money.part }
end

-- A reservation that is paid is not free at once: the intent of the refund goes to the journal.
-- seats: those to cancel, none for all; first: their prices in KRW by comma
commands.cancel = function(match, command)
  local claim = claim_of(match, command.id)
  if not claim then
    local reason, last = claim_ended(match, command.id)
    if not reason or last.user ~= command.user then return { 'not_found' } end
    if reason == 'CANCELLED' or reason == 'REFUNDED' then return { 'cancelled' } end
    return { 'not_cancellable', reason }
  end
  if claim.user ~= command.user then return { 'not_found' } end
  if claim.state == 'H' then return { 'not_found' } end
  if claim.state == 'Y' then return { 'paying' } end
  local money, whole = money_of(claim), table.concat(claim.seats, ',')
  local seats, amount, refused = cancel_choice(claim, command)
  if refused then return refused end
  if claim.state == 'R' then
    if money.part_seats ~= seats then return { 'not_cancellable', 'REFUNDING' } end
    return refunding(claim, money)
  end
  if claim.state == 'P' and seats ~= whole then return { 'not_cancellable', 'PENDING' } end
  -- all checked: write
  if claim.state == 'P' then
    claim_end(match, claim, 'CANCELLED')
    return { 'cancelled' }
  end
  claim.state = 'R'
  money.refund, money.part, money.part_seats = money.refund + 1, amount, seats
  money_write(claim, money)
  return payment_fact(refunding(claim, money), 'refund_begun', claim)
end

-- The money of some seats is back: they are free, the others stay sold.
local function refund_part(match, claim, money)
  local gone, left = seat_set(money.part_seats), {}
  for _, seat in ipairs(claim.seats) do
    if not gone[seat] then left[#left + 1] = seat
    elseif seat_of(match, seat) == 'O' and match.seat[seat]:sub(2) == claim.id then
      seat_write(match, seat, false)
    end
  end
  claim.state, claim.seats, claim.version = 'C', left, next_version(match)
  claim.amount = string.format('%.0f', claim.amount - money.part)
  local reply = payment_fact({ 'refunded' }, 'refund_done', claim)
  local comma = money.back_seats == '' and '' or ','
  money.back = string.format('%.0f', money.back + money.part)
  money.back_seats = money.back_seats .. comma .. money.part_seats
  money.part, money.part_seats = '0', ''
  money_write(claim, money)
  return reply
end

-- source: the payment; first: `done`, or `refused` when the gateway will not give the money back,
-- and the number of the refund; second: code of the gateway
commands.refund = function(match, command)
  local kind, number = command.first:match('^(%a+) (%d+)$')
  local claim = claim_of(match, command.id)
  if not claim or claim.payment ~= command.source or claim.state ~= 'R' then return { 'ended' } end
  local money = money_of(claim)
  if money.refund ~= tonumber(number) then return { 'ended' } end
  -- all checked: write
  if kind == 'refused' then
    claim.state = 'C'
    local reply = payment_fact({ 'kept' }, 'refund_refused', claim, command.second)
    money.part, money.part_seats = '0', ''
    money_write(claim, money)
    return reply
  end
  if money.part_seats ~= table.concat(claim.seats, ',') then
    return refund_part(match, claim, money)
  end
  claim_end(match, claim, 'REFUNDED')
  return payment_fact({ 'refunded' }, 'payment_refunded', claim)
end

commands.expire = function(match, command)
  return { claim_of(match, command.id) and 'kept' or 'expired' }
end
