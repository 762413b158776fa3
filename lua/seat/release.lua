-- release: HOLD → AVAILABLE, the whole hold by its id, or one seat of whichever hold has it (first:
-- its price in KRW).
-- Replies: release: not_found not_yours already_reserved price_changed released
local function release_seat(match, command)
  local user, seat = user_of[command], seats_of(match, command)[1]
  local state, claim = seat_of(match, seat)
  -- Who released it is remembered for a while, so that a repeated call gets the first answer.
  local note = 'r:' .. match.id .. ':' .. seat
  if state == 'A' then
    local by = book.ended[note] or operation_find(book.ring, note)
    return by == user and 'released' or 'not_yours'
  end
  if not claim or claim.user ~= user then return 'not_yours' end
  if claim.state ~= 'H' then return 'already_reserved' end
  local last = claim.seats == seat
  local left = claim.amount - first_of[command]
  if left < 0 and not last then return 'price_changed' end
  -- all checked: write
  book.ended[note] = user
  if last then
    claim_end(match, claim, 'RELEASED')
    return 'released'
  end
  claim_changed(claim)
  claim.seats = seats_without(claim, { [seat] = true })
  claim.amount = whole(left)
  next_version(match)
  match.seat[seat] = false
  return 'released'
end

-- That the hold was once made for this user says its id, which the node has checked: one that is
-- not there any more, and that no reservation took over, has been given back.
commands.release = function(match, command, claims)
  if id_of[command] == '' then return release_seat(match, command) end
  local claim = claim_of(match, claims, id_of[command])
  if not claim then
    if claim_elsewhere(match, claims, id_of[command]) then return 'not_found' end
    local reason = claim_ended(match, user_of[command], id_of[command])
    return reason == 'RESERVED' and 'already_reserved' or 'released'
  end
  if claim.state ~= 'H' then return 'already_reserved' end
  -- all checked: write
  claim_end(match, claim, 'RELEASED')
  return 'released'
end
