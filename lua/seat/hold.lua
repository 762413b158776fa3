-- hold: AVAILABLE → HOLD for all the named seats, or for none. first: price of all in KRW
-- Replies: hold: held not_open pass_required seat_limit taken
local function held(claim)
  return { 'held', claim.id, string.format('%.0f', claim.deadline),
    string.format('%.0f', claim.version), claim.amount, table.concat(claim.seats, ',') }
end

local function has_pass(match, user)
  local expires = redis.call('ZSCORE', match.key.passes, user)
  return expires and tonumber(expires) > book.now
end

commands.hold = function(match, command)
  local made = claim_of(match, command.id)
  if made then return held(made) end
  if match.status ~= 'OPEN' then return { 'not_open' } end
  if match.queue and not has_pass(match, command.user) then return { 'pass_required' } end
  if seats_counted(match, command.user) + #command.seats > limit.seats_per_user then
    return { 'seat_limit' }
  end
  local lost = {}
  for _, seat in ipairs(command.seats) do
    if seat_of(match, seat) ~= 'A' then lost[#lost + 1] = seat end
  end
  if #lost > 0 then return { 'taken', table.concat(lost, ',') } end
  -- all checked: write
  local claim = {
    id = command.id, state = 'H', user = command.user, deadline = book.now + limit.hold_ttl_ms,
    amount = command.first, seats = command.seats, payment = '', method = '', payment_state = '',
    payment_key = '',
  }
  claim_make(match, claim, 'H')
  return held(claim)
end
