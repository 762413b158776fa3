-- reserve: HOLD of the same user, in time → PENDING under a new id with a longer deadline.
-- Takes the whole hold named by `source`, or the named seats out of any holds of the user (then
-- first: their prices, by comma).
-- Replies: reserve: not_found not_yours already_reserved expired reserved
local function reserved(claim)
  return 'reserved ' .. claim.id .. ' ' .. claim_text(claim)
end

local function source_hold(match, command)
  local hold = claim_of(match, command.source)
  if not hold then
    local reason, last = claim_ended(match, command.source)
    if not reason then return nil, 'not_found' end
    if last.user ~= command.user then return nil, 'not_yours' end
    return nil, reason == 'RESERVED' and 'already_reserved' or 'expired'
  end
  if hold.user ~= command.user then return nil, 'not_yours' end
  if hold.state ~= 'H' then return nil, 'already_reserved' end
  return hold
end

local function refuse_seats(match, command)
  local lost, foreign, reserved_already = {}, false, false
  for _, seat in ipairs(command.seats) do
    local state, claim = seat_of(match, seat)
    if state == 'A' then
      lost[#lost + 1] = seat
    elseif not claim or claim.user ~= command.user then
      foreign = true
    elseif claim.state ~= 'H' then
      reserved_already = true
    end
  end
  if foreign then return 'not_yours' end
  if reserved_already then return 'already_reserved' end
  if #lost > 0 then return 'expired ' .. table.concat(lost, ',') end
end

-- Takes seats out of the holds that have them; a hold left without seats ends.
local function take_out(match, seats, prices)
  local wanted, holds = {}, {}
  for place, seat in ipairs(seats) do
    local _, hold = seat_of(match, seat)
    wanted[seat], holds[hold.id] = true, hold
    if prices[place] then
      hold.amount = string.format('%.0f', hold.amount - prices[place])
    end
  end
  for _, hold in pairs(holds) do
    local left = {}
    for _, seat in ipairs(hold.seats) do if not wanted[seat] then left[#left + 1] = seat end end
    if #left == 0 then claim_end(match, hold, 'RESERVED') end
    if #left > 0 then
      hold.seats = left
      claim_changed(hold)
    end
  end
end

commands.reserve = function(match, command)
  local made = claim_made(match, command)
  if made then return reserved(made) end
  local seats, amount, prices = command.seats, 0, {}
  if command.source ~= '' then
    local hold, refused = source_hold(match, command)
    if refused then return refused end
    seats, amount = hold.seats, hold.amount
  else
    local refused = refuse_seats(match, command)
    if refused then return refused end
    for price in command.first:gmatch('%d+') do
      prices[#prices + 1] = tonumber(price)
      amount = amount + price
    end
    amount = string.format('%.0f', amount)
  end
  -- all checked: write
  take_out(match, seats, prices)
  local claim = {
    id = command.id, state = 'P', user = command.user, deadline = book.now + limit.payment_ttl_ms,
    amount = amount, seats = seats, payment = '', method = '', payment_state = '',
    payment_key = '',
  }
  claim_make(match, claim, 'P')
  return reserved(claim)
end
