-- cancel, expire: a reservation or a hold ends without a sale, or a refund begins.
-- id: the claim. cancel: right: fan, organiser, or waived: an organiser who takes no fee; extent:
-- these, or all; seats and prices: the seats, and what each costs in KRW, by comma; remains: the
-- seats that must remain of a sale, by comma, when the plan has a rule about that.
-- Replies: cancel: archived not_found cancelled not_cancellable paying not_yours refunding
-- Replies: cancel: too_late changed
-- Replies: expire: kept expired

-- The seats that a cancel is about, by comma, what they have cost, and the price of each; or nil
-- and a reply.
local function cancel_choice(batch, match, command, claim)
  local named, chosen, price_of = seats_of(batch, match, command), {}, {}
  local prices = split(batch.arguments.prices[command])
  for number, seat in ipairs(named) do price_of[seat] = tonumber(prices[number]) end
  local all = { seats = claim.seats, amount = claim.amount, price_of = price_of }
  if batch.arguments.extent[command] == 'all' then return all end
  local amount = 0
  for seat in claim.seats:gmatch('[^,]+') do
    if price_of[seat] then
      chosen[#chosen + 1], amount = seat, amount + price_of[seat]
    end
  end
  if #chosen == #named then
    if #chosen == seat_count(claim.seats) then return all end
    if amount > tonumber(claim.amount) then return nil, 'not_cancellable AMOUNT' end
    return { seats = table.concat(chosen, ','), amount = whole(amount), price_of = price_of }
  end
  local refunded = seat_set(money_of(claim).back_seats)
  for _, seat in ipairs(named) do
    if not refunded[seat] then return nil, 'not_yours' end
  end
  return nil, 'cancelled'
end

-- What the refund under way gives back: `all` that the gateway has of the sale, or a `part` of it;
-- in KRW, and for which seats.
local function refunding(claim, money)
  local no_fees = money.part_fee == '0' and money.back_fees == '0'
  local all = no_fees and money.part_seats == claim.seats
  return 'refunding ' .. claim.payment .. ' ' .. claim.payment_key .. ' ' .. whole(money.refund)
    .. (all and ' all ' or ' part ') .. money.part .. ' ' .. money.part_seats
end

-- Whether somebody has entered with one of these seats of a claim. An earlier buyer of the seat may
-- have been there, too.
local function has_entered(match, claim, seats)
  for _, value in ipairs(redis.call('HMGET', match.key.check_ins, unpack(split(seats)))) do
    if value and value:sub(1, ID_LAST) == claim.id then return true end
  end
  return false
end

-- The intent of a refund goes to the journal, because money must move before the seats are free.
local function begin_refund(batch, match, command, claim, choice)
  local right = batch.arguments.right[command]
  local fees = refund_fees(batch, match, claim, right)
  if not fees then return 'too_late' end
  if right == 'fan' and has_entered(match, claim, choice.seats) then return 'too_late' end
  local fee = right == 'waived' and 0
    or fee_of(fees, choice.seats, choice.price_of, choice.amount)
  if not fee then return 'not_cancellable AMOUNT' end
  -- all checked: write
  local money = money_of(claim)
  money.refund, money.part_seats = money.refund + 1, choice.seats
  money.part, money.part_fee = whole(choice.amount - fee), whole(fee)
  set_money(batch, claim, money)
  claim.state = CLAIM.REFUNDING
  return reply_with_payment_fact(batch, command, refunding(claim, money), 'refund_begun', claim)
end

-- A refund under way and one that is done are told again, however late it is by now.
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
  local choice, refused = cancel_choice(batch, match, command, claim)
  if refused then return refused end
  if claim.state == CLAIM.REFUNDING then
    local money = money_of(claim)
    if money.part_seats ~= choice.seats then return 'not_cancellable REFUNDING' end
    return refunding(claim, money)
  end
  if claim.state ~= CLAIM.PENDING then
    local remains = batch.arguments.remains[command]
    local rest = remains and seats_without(claim.seats, seat_set(choice.seats))
    if remains ~= rest then return 'changed' end
    return begin_refund(batch, match, command, claim, choice)
  end
  if choice.seats ~= claim.seats then return 'not_cancellable PENDING' end
  -- all checked: write
  -- What an organiser cancels is not held against the fan.
  local finish = batch.arguments.right[command] == 'fan' and give_back or end_claim
  finish(batch, match, claim, ENDED.CANCELLED)
  return 'cancelled'
end

-- Looking for a claim ends it when its deadline has passed.
commands.expire = function(batch, match, command)
  return named_claim(batch, match, command) and 'kept' or 'expired'
end
