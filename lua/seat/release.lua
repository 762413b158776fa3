-- release, release_seat: HOLD → AVAILABLE.
-- release: the whole hold with this id. release_seat: one seat, whichever hold of the user has it;
-- prices: the price of the seat in KRW, which counts in a hold without a bill; remains: the seats
-- that must remain of the hold, by comma, when the plan has a rule about that.
-- Replies: release: not_found already_reserved released
-- Replies: release_seat: not_yours already_reserved changed price_changed released
commands.release = function(batch, match, command)
  local id, user = batch.id_of[command], batch.user_of[command]
  local hold, reply = find_hold(batch, match, user, id, 'released')
  if not hold then return reply end
  -- all checked: write
  give_back(batch, match, hold, ENDED.RELEASED)
  return 'released'
end

commands.release_seat = function(batch, match, command)
  local user, number = batch.user_of[command], batch.seats_before_of[command] + 1
  local seat, price = match.names[number], batch.arguments.prices[command]
  local remains = batch.arguments.remains[command]
  local _, claim = state_of(batch, match, seat, named_value(match, number))
  -- Who has released the seat is remembered for a while, so that a repeated call gets the same
  -- reply, also when somebody else has the seat by then.
  local note = NOTE.RELEASED .. match.id .. ':' .. seat .. ':' .. user
  if not claim or claim.user ~= user then
    local has_released = batch.notes[note] or operation_find(batch.ring, note)
    return has_released and 'released' or 'not_yours'
  end
  if claim.state ~= CLAIM.HOLD then return 'already_reserved' end
  local rest = claim.seats == seat and '' or seats_without(claim.seats, { [seat] = true })
  if remains and remains ~= rest then return 'changed' end
  -- Only a claim that stays needs its amount, which costs more to read than all of the above.
  if rest == '' then
    -- all checked: write
    batch.notes[note] = 'released'
    give_back(batch, match, claim, ENDED.RELEASED)
    return 'released'
  end
  local _, cost = bill_line(claim.bill, seat)
  local amount_left = claim.amount - (cost or price)
  if amount_left < 0 then return 'price_changed' end
  -- all checked: write
  batch.notes[note] = 'released'
  shrink_claim(batch, claim, rest)
  claim.amount = whole(amount_left)
  next_version(match)
  match.changed[seat] = false
  return 'released'
end
