-- again, free: what a look at PostgreSQL has found to be missing there, or to belong to nobody
-- here.
-- Replies: again: gone waits told
-- Replies: free: kept freed
local function seen(claim, changed)
  return setmetatable(changed, { __index = claim })
end

-- The sale as it was made, then what has gone back of it, then what is on its way back. Several
-- refunds that are done are told as one, under the number of the last of them.
local function tell_sale(command, claim)
  local money = money_of(claim)
  local comma = money.back_seats == '' and '' or ','
  local sold = seen(claim, {
    seats = claim.seats .. comma .. money.back_seats,
    amount = whole(claim.amount + money.back), more = whole(money.attempt),
  })
  payment_fact(command, 'told', 'payment_approved', sold)
  if money.back_seats ~= '' then
    local last = claim.state == 'R' and money.refund - 1 or money.refund
    local back = { sold.more, whole(last), money.back, money.back_seats, '0', '' }
    sold.more = table.concat(back, ';')
    payment_fact(command, 'told', 'refund_begun', sold)
    payment_fact(command, 'told', 'refund_done', seen(claim, { more = sold.more }))
  end
  if claim.state == 'R' then payment_fact(command, 'told', 'refund_begun', claim) end
end

-- The end of a refund that is over here: its seats have left the sale, or they have stayed in it.
local function tell_refund(match, command, claim)
  local kept = claim_told(match, command)
  local part = money_of(kept)
  local gone = {}
  for seat in part.part_seats:gmatch('[^,]+') do gone[seat] = not has_seat(claim, seat) end
  if gone[part.part_seats:match('%d+')] then
    kept.seats, kept.amount = seats_without(kept, gone), whole(kept.amount - part.part)
    payment_fact(command, 'told', 'refund_done', kept)
  else
    payment_fact(command, 'told', 'refund_refused', kept)
  end
  if claim.state == 'R' then payment_fact(command, 'told', 'refund_begun', claim) end
end

-- PostgreSQL has all of the journal, and a payment waits there for a step that has been taken here:
-- its fact is written again, because the first one had no effect. source: the payment; first:
-- begin | outcome | refund, and the number of the refund; seats and second: the reservation and its
-- money in PostgreSQL, as `claim_told` reads them (refund)
commands.again = function(match, command, claims)
  local claim = claim_of(match, claims, id_of[command])
  if not claim or claim.payment ~= source_of[command] then return 'gone' end
  local kind, number = first_of[command]:match('^(%a+) (%d+)$')
  local last, sold = money_of(claim).refund, claim.state == 'C' or claim.state == 'R'
  if kind == 'begin' then
    local step = claim.state == 'Y' and 'payment_begun' or claim.state == 'R' and 'refund_begun'
    if not step then return 'waits' end
    -- all checked: write
    return payment_fact(command, 'told', step, claim)
  end
  if claim.state == 'Y' then return 'waits' end
  if kind == 'refund' then
    local over = last > tonumber(number) or last == tonumber(number) and claim.state == 'C'
    if not over then return 'waits' end
    -- all checked: write
    tell_refund(match, command, claim)
    return 'told'
  end
  -- all checked: write
  if sold then
    tell_sale(command, claim)
  elseif claim.payment_state == 'R' then
    payment_fact(command, 'told', 'payment_withdrawn', claim)
  else
    payment_fact(command, 'told', 'payment_declined', claim)
  end
  return 'told'
end

-- Seats that a user has without a hold or reservation that names them, or that are sold to nobody
-- here and in PostgreSQL, are free again. Each is looked at again here, where nothing can change
-- meanwhile. first: the value of the seats; the user, if the value names one
commands.free = function(match, command)
  local found = {}
  for _, seat in ipairs(seats_of(match, command)) do
    local value = match.seat[seat]
    if value == nil then value = match.looked[seat] end
    local _, claim = state_of(match, seat, value)
    if value == first_of[command] and not claim and match.seat[seat] == nil then
      found[#found + 1] = seat
    end
  end
  if #found == 0 then return 'kept' end
  -- all checked: write
  next_version(match)
  for _, seat in ipairs(found) do match.seat[seat] = false end
  return 'freed'
end
