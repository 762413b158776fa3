-- reserve: HOLD of the same user, in time → PENDING under a new id with a longer deadline.
-- Takes the whole hold named by `source`, or the named seats out of any holds of the user (then
-- first: their prices, by comma). The node has read from the id of a hold that it is his.
-- Replies: reserve: not_found already_reserved expired not_yours price_changed reserved
local function reserve_hold(match, command, claims)
  local hold = claim_of(match, claims, source_of[command])
  if not hold then
    if claim_elsewhere(match, claims, source_of[command]) then return 'not_found' end
    local reason = claim_ended(match, user_of[command], source_of[command])
    return reason == 'RESERVED' and 'already_reserved' or 'expired'
  end
  if hold.state ~= 'H' then return 'already_reserved' end
  -- all checked: write
  claim_over(match, hold, 'RESERVED')
  local seats = split(hold.seats)
  book.moved = book.moved + #seats
  return 'reserved ' .. claim_make(match, command, claims, 'P', seats, 1, #seats, hold.amount)
end

local function refuse_seats(match, seats, user)
  local lost, foreign, reserved_already = {}, false, false
  for _, seat in ipairs(seats) do
    local state, claim = seat_of(match, seat)
    if state == 'A' then
      lost[#lost + 1] = seat
    elseif not claim or claim.user ~= user then
      foreign = true
    elseif claim.state ~= 'H' then
      reserved_already = true
    end
  end
  if foreign then return 'not_yours' end
  if reserved_already then return 'already_reserved' end
  if #lost > 0 then return 'expired ' .. table.concat(lost, ',') end
end

-- What is left of the holds that have some seats when these are taken out: seats and amount of
-- each. Nil when the prices are not those of the holds: the node has an old plan.
local function left_of(match, seats, prices)
  local wanted, holds = {}, {}
  for place, seat in ipairs(seats) do
    local _, hold = seat_of(match, seat)
    local left = holds[hold] or { amount = tonumber(hold.amount) }
    left.amount = left.amount - (prices[place] or 0)
    wanted[seat], holds[hold] = true, left
  end
  for hold, left in pairs(holds) do
    left.seats = seats_without(hold, wanted)
    if left.amount < 0 or (left.seats == '' and left.amount > 0) then return nil end
  end
  return holds
end

-- Takes seats out of the holds that have them; a hold left without seats ends.
local function take_out(match, holds)
  for hold, left in pairs(holds) do
    if left.seats == '' then
      claim_over(match, hold, 'RESERVED')
    else
      claim_changed(hold)
      hold.seats, hold.amount = left.seats, whole(left.amount)
    end
  end
end

commands.reserve = function(match, command, claims)
  local made = claim_of(match, claims, id_of[command])
  if made then return 'reserved ' .. claim_text(made) end
  if source_of[command] then return reserve_hold(match, command, claims) end
  local seats, amount, prices = seats_of(match, command), 0, {}
  local refused = refuse_seats(match, seats, user_of[command])
  if refused then return refused end
  for price in (first_of[command] or ''):gmatch('%d+') do
    prices[#prices + 1] = tonumber(price)
    amount = amount + price
  end
  local holds = left_of(match, seats, prices)
  if not holds then return 'price_changed' end
  -- all checked: write
  take_out(match, holds)
  return 'reserved ' .. claim_make(match, command, claims, 'P', seats, 1, #seats, whole(amount))
end
