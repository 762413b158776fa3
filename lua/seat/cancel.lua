-- cancel, refund, expire: the ways in which a reservation or a hold ends without a sale, and in
-- which seats leave one that is sold.
-- Replies: cancel: archived not_found cancelled not_cancellable paying not_yours refunding
-- Replies: refund: ended kept refunded
-- Replies: expire: kept expired
local function seat_set(text)
  local set = {}
  for seat in text:gmatch('[^,]+') do set[seat] = true end
  return set
end

-- Which seats of a reservation a cancel is about, by comma, and what they cost; all without names.
local function cancel_choice(match, claim, command)
  if count_of[command] == 0 then return claim.seats, claim.amount end
  local named, chosen, amount = seats_of(match, command), {}, 0
  local wanted = seat_set(table.concat(named, ','))
  for seat in claim.seats:gmatch('[^,]+') do
    if wanted[seat] then chosen[#chosen + 1] = seat end
  end
  if #chosen == #named then
    if #chosen == seat_count(claim) then return claim.seats, claim.amount end
    for price in (first_of[command] or ''):gmatch('%d+') do amount = amount + price end
    if amount > tonumber(claim.amount) then return nil, nil, 'not_cancellable AMOUNT' end
    return table.concat(chosen, ','), whole(amount)
  end
  local back = seat_set(money_of(claim).back_seats)
  for _, seat in ipairs(named) do
    if not back[seat] then return nil, nil, 'not_yours' end
  end
  return nil, nil, 'cancelled'
end

-- What a refund gives back: `all` that is left, or a `part`; in KRW, and which seats.
local function refunding(claim, money)
  local all = money.part_seats == claim.seats
  return 'refunding ' .. claim.payment .. ' ' .. claim.payment_key .. ' ' .. whole(money.refund)
    .. (all and ' all ' or ' part ') .. money.part .. ' ' .. money.part_seats
end

-- A reservation that is paid is not free at once: the intent of the refund goes to the journal.
-- seats: those to cancel, none for all; first: their prices in KRW by comma
commands.cancel = function(match, command, claims)
  if match.status == 'ARCHIVED' then return 'archived' end
  local claim = claim_of(match, claims, id_of[command])
  if not claim then
    local reason = claim_ended(match, user_of[command], id_of[command])
    if not reason then return 'not_found' end
    if reason == 'CANCELLED' or reason == 'REFUNDED' then return 'cancelled' end
    return 'not_cancellable ' .. reason
  end
  if claim.state == 'H' then return 'not_found' end
  if claim.state == 'Y' then return 'paying' end
  local money = money_of(claim)
  local seats, amount, refused = cancel_choice(match, claim, command)
  if refused then return refused end
  if claim.state == 'R' then
    if money.part_seats ~= seats then return 'not_cancellable REFUNDING' end
    return refunding(claim, money)
  end
  if claim.state == 'P' and seats ~= claim.seats then return 'not_cancellable PENDING' end
  -- all checked: write
  if claim.state == 'P' then
    claim_end(match, claim, 'CANCELLED')
    return 'cancelled'
  end
  money.refund, money.part, money.part_seats = money.refund + 1, amount, seats
  money_write(claim, money)
  claim.state = 'R'
  return payment_fact(command, refunding(claim, money), 'refund_begun', claim)
end

-- The money of some seats is back: they are free, the others stay sold.
local function refund_part(match, command, claim, money)
  for seat in money.part_seats:gmatch('[^,]+') do match.seat[seat] = false end
  claim_changed(claim)
  claim.seats = seats_without(claim, seat_set(money.part_seats))
  claim.state, claim.version = 'C', next_version(match)
  claim.amount = whole(claim.amount - money.part)
  local reply = payment_fact(command, 'refunded', 'refund_done', claim)
  local comma = money.back_seats == '' and '' or ','
  money.back = whole(money.back + money.part)
  money.back_seats = money.back_seats .. comma .. money.part_seats
  money.part, money.part_seats = '0', ''
  money_write(claim, money)
  return reply
end

-- source: the payment; first: `done`, or `refused` when the gateway will not give the money back,
-- and the number of the refund; second: code of the gateway
commands.refund = function(match, command, claims)
  local kind, number = first_of[command]:match('^(%a+) (%d+)$')
  local claim = claim_of(match, claims, id_of[command])
  local waits = claim and claim.payment == source_of[command] and claim.state == 'R'
  if not waits then return 'ended' end
  local money = money_of(claim)
  if money.refund ~= tonumber(number) then return 'ended' end
  -- all checked: write
  if kind == 'refused' then
    claim_changed(claim)
    claim.state = 'C'
    local reply = payment_fact(command, 'kept', 'refund_refused', claim, second_of[command])
    money.part, money.part_seats = '0', ''
    money_write(claim, money)
    return reply
  end
  if money.part_seats ~= claim.seats then
    return refund_part(match, command, claim, money)
  end
  claim_end(match, claim, 'REFUNDED')
  return payment_fact(command, 'refunded', 'payment_refunded', claim)
end

commands.expire = function(match, command, claims)
  return claim_of(match, claims, id_of[command]) and 'kept' or 'expired'
end
