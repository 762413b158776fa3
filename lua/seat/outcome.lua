-- outcome: PAYING → OCCUPIED, or back to PENDING, or over.
-- Replies: outcome: ended confirmed pending lost expired
-- Seats that an earlier sale has in PostgreSQL show as sold, though Redis has forgotten to whom.
local function outcome_lost(match, claim, sold)
  claim_end(match, claim, 'LOST')
  for _, seat in ipairs(sold) do
    if seat_of(match, seat) == 'A' then seat_write(match, seat, 'O') end
  end
  return { 'lost' }
end

-- After a payment that took no money: back to PENDING with what is left of its time, or with
-- `extra_ms` when the fault was ours; without time left the seats become free.
local function outcome_unpaid(match, claim, extra_ms)
  claim.deadline = math.max(claim.deadline, extra_ms > 0 and book.now + extra_ms or 0)
  claim.state = 'P'
  claim_changed(claim)
  if claim.deadline > book.now then return { 'pending', string.format('%.0f', claim.deadline) } end
  claim_end(match, claim, 'EXPIRED')
  return { 'expired' }
end

-- source: the payment; first: approved | declined | withdrawn | lost; second: code of the gateway,
-- or for withdrawn the time to give back in ms; seats: those already sold (lost)
commands.outcome = function(match, command)
  local claim = claim_of(match, command.id)
  if not claim or claim.payment ~= command.source then
    local reason = claim_ended(match, command.id)
    return { 'ended', reason or 'UNKNOWN' }
  end
  if claim.state == 'C' or claim.state == 'R' then return { 'confirmed' } end
  if claim.state ~= 'Y' then return { 'pending', string.format('%.0f', claim.deadline) } end
  -- all checked: write
  if command.first == 'approved' then
    claim.state, claim.payment_state = 'C', 'P'
    claim.version = next_version(match)
    for _, seat in ipairs(claim.seats) do seat_write(match, seat, 'O' .. claim.id) end
    claim_changed(claim)
    match.passes_used[#match.passes_used + 1] = claim.user
    return payment_fact({ 'confirmed' }, 'payment_approved', claim)
  end
  if command.first == 'withdrawn' then
    claim.payment_state = 'R'
    local reply = outcome_unpaid(match, claim, tonumber(command.second))
    return payment_fact(reply, 'payment_withdrawn', claim)
  end
  claim.payment_state = 'F'
  if command.first == 'lost' then
    return payment_fact(outcome_lost(match, claim, command.seats), 'payment_lost', claim)
  end
  local reply = outcome_unpaid(match, claim, 0)
  return payment_fact(reply, 'payment_declined', claim, { 'code', command.second })
end
