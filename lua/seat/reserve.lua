-- reserve, reserve_seats: HOLD of the same user, in time → PENDING under a new id with a longer
-- deadline.
-- id: the new reservation. reserve: all seats of a hold; hold: its id. reserve_seats: seats out of
-- any holds of the user; prices: in KRW, in the order of the seats, by comma, which count for holds
-- without a bill; remains: the seats that must remain of each hold, by comma, with ';' between,
-- when the plan has a rule about that.
-- Replies: reserve: not_found already_reserved not_open expired reserved
-- Replies: reserve_seats: not_yours already_reserved not_open expired price_changed changed
-- Replies: reserve_seats: reserved
-- The reply for seats that are not held any more. Holds end with the sale.
local function gone(match, expired)
  if match.status ~= MATCH.OPEN then return 'not_open ' .. match.status end
  return expired
end

commands.reserve = function(batch, match, command)
  local user = batch.user_of[command]
  local hold_id = batch.arguments.hold[command]
  local made = named_claim(batch, match, command)
  if made then return 'reserved ' .. record_text(made) end
  local hold, reply = find_hold(batch, match, user, hold_id, gone(match, 'expired'))
  if not hold then return reply end
  -- all checked: write
  local seats = split(hold.seats)
  count_part(batch, match, hold)
  end_claim_keep_seats(batch, match, hold, ENDED.RESERVED, #seats)
  batch.seats_moved = batch.seats_moved + #seats
  return 'reserved '
    .. make_claim(batch, match, command, CLAIM.PENDING, seats, 1, #seats, hold.amount, hold.bill)
end

local function refuse_seats(batch, match, seats, user)
  local free, of_others, reserved = {}, false, false
  for _, seat in ipairs(seats) do
    local state, claim = seat_state(batch, match, seat)
    if state == SEAT.AVAILABLE then
      free[#free + 1] = seat
    elseif not claim or claim.user ~= user then
      of_others = true
    elseif claim.state ~= CLAIM.HOLD then
      reserved = true
    end
  end
  if of_others then return 'not_yours' end
  if reserved then return 'already_reserved' end
  if #free > 0 then return gone(match, 'expired ' .. table.concat(free, ',')) end
end

-- What remains of the holds that have these seats: seats and amount, by hold. Then what the seats
-- cost together, their bill, and the seats that remain as text. Nil when the prices are not those
-- of the holds, because the node then has an old plan.
local function remaining_of_holds(batch, match, seats, prices)
  local wanted, holds, lines, amount, order = {}, {}, {}, 0, {}
  for number, seat in ipairs(seats) do
    local _, hold = seat_state(batch, match, seat)
    local line, cost = bill_line(hold.bill, seat)
    cost = cost or tonumber(prices[number] or 0)
    if not holds[hold] then order[#order + 1] = hold end
    local remaining = holds[hold] or { amount = tonumber(hold.amount) }
    remaining.amount = remaining.amount - cost
    wanted[seat], holds[hold] = true, remaining
    lines[#lines + 1], amount = line, amount + cost
  end
  for hold, remaining in pairs(holds) do
    remaining.seats = seats_without(hold.seats, wanted)
    local unpaid = remaining.seats == '' and remaining.amount > 0
    if remaining.amount < 0 or unpaid then return nil end
  end
  for number, hold in ipairs(order) do order[number] = holds[hold].seats end
  return holds, whole(amount), table.concat(lines, ','), table.concat(order, ';')
end

-- A hold without any seats left ends.
local function shrink_holds(batch, match, holds)
  for hold, remaining in pairs(holds) do
    if remaining.seats == '' then
      count_part(batch, match, hold)
      end_claim_keep_seats(batch, match, hold, ENDED.RESERVED, seat_count(hold.seats))
    else
      shrink_claim(batch, hold, remaining.seats)
      hold.amount = whole(remaining.amount)
    end
  end
end

commands.reserve_seats = function(batch, match, command)
  local user = batch.user_of[command]
  local seats, prices = seats_of(batch, match, command), split(batch.arguments.prices[command])
  local made = named_claim(batch, match, command)
  if made then return 'reserved ' .. record_text(made) end
  local refused = refuse_seats(batch, match, seats, user)
  if refused then return refused end
  local holds, amount, bill, rest = remaining_of_holds(batch, match, seats, prices)
  if not holds then return 'price_changed' end
  local remains = batch.arguments.remains[command]
  if remains and remains ~= rest then return 'changed' end
  -- all checked: write
  shrink_holds(batch, match, holds)
  return 'reserved '
    .. make_claim(batch, match, command, CLAIM.PENDING, seats, 1, #seats, amount, bill)
end
