-- release: HOLD → AVAILABLE, the whole hold by its id, or one seat of whichever hold has it (first:
-- its price in KRW).
-- Replies: release: not_found not_yours already_reserved released
local function refuse_release(claim, command)
  if claim.user ~= command.user then return 'not_yours' end
  if claim.state ~= 'H' then return 'already_reserved' end
end

local function release_seat(match, command)
  local seat = command.seats[1]
  local state, claim = seat_of(match, seat)
  if state == 'A' or not claim then return 'not_yours' end
  local refused = refuse_release(claim, command)
  if refused then return refused end
  -- all checked: write
  if #claim.seats == 1 then
    claim_end(match, claim, 'RELEASED')
    return 'released'
  end
  local left = {}
  for _, other in ipairs(claim.seats) do if other ~= seat then left[#left + 1] = other end end
  claim.seats = left
  claim.amount = string.format('%.0f', claim.amount - command.first)
  claim_changed(claim)
  next_version(match)
  seat_write(match, seat, false)
  return 'released'
end

commands.release = function(match, command)
  if command.id == '' then return release_seat(match, command) end
  local claim = claim_of(match, command.id)
  if not claim then
    local reason, last = claim_ended(match, command.id)
    if reason == 'RESERVED' and last.user == command.user then return 'already_reserved' end
    if reason == 'RELEASED' and last.user == command.user then return 'released' end
    return 'not_found'
  end
  local refused = refuse_release(claim, command)
  if refused then return refused end
  -- all checked: write
  claim_end(match, claim, 'RELEASED')
  return 'released'
end
