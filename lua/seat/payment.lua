-- request, begin, outcome: a reservation on its way through one payment.
-- A reservation that is PAYING has no deadline: only an outcome moves it on.
local function own_claim(match, command)
  local claim = claim_of(match, command.id)
  if not claim then
    local reason, last = claim_ended(match, command.id)
    if reason and last.user == command.user then return nil, { 'ended', reason } end
    return nil, { 'not_found' }
  end
  if claim.user ~= command.user then return nil, { 'not_found' } end
  return claim
end

-- source: the new payment; first: method
commands.request = function(match, command)
  local claim, refused = own_claim(match, command)
  if refused then return refused end
  if claim.payment == command.source then return { 'ready', claim.payment, claim.amount } end
  if claim.state ~= 'P' then return { 'not_pending' } end
  -- all checked: write
  if claim.payment ~= '' then book.payments[claim.payment] = false end
  claim.payment, claim.method, claim.payment_state = command.source, command.first, 'R'
  claim.payment_key = ''
  book.payments[claim.payment] = claim.id
  claim_changed(claim)
  return { 'ready', claim.payment, claim.amount }
end

local function payment_fact(reply, kind, claim, more)
  local fields = {
    't', kind, 'payment', claim.payment, 'reservation', claim.id, 'match', claim.match,
    'user', claim.user, 'seats', table.concat(claim.seats, ','), 'amount', claim.amount,
    'method', claim.method, 'key', claim.payment_key,
    'version', string.format('%.0f', claim.version), 'at', string.format('%.0f', book.now),
  }
  for _, value in ipairs(more or {}) do fields[#fields + 1] = value end
  return fact(reply, fields)
end

-- source: the payment; first: amount; second: payment key
commands.begin = function(match, command)
  local claim, refused = own_claim(match, command)
  if refused then return refused end
  if claim.payment ~= command.source then return { 'not_pending' } end
  if claim.amount ~= command.first then return { 'amount_mismatch', claim.amount } end
  local same = claim.payment_key == command.second
  if claim.state == 'Y' then return { same and 'in_progress' or 'not_pending' } end
  if claim.state == 'C' then return { same and 'paid' or 'not_pending' } end
  if claim.state ~= 'P' then return { 'not_pending' } end
  if claim.payment_state == 'F' then return { 'failed' } end
  -- all checked: write
  claim.state, claim.payment_state, claim.payment_key = 'Y', 'I', command.second
  claim_changed(claim)
  return payment_fact({ 'begun' }, 'payment_begun', claim)
end

-- Seats that an earlier sale has in PostgreSQL show as sold, though Redis has forgotten to whom.
local function outcome_lost(match, claim, sold)
  claim_end(match, claim, 'LOST')
  for _, seat in ipairs(sold) do if seat_of(match, seat) == 'A' then seat_write(match, seat, 'O') end end
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

-- stretch: a PENDING reservation gets at least `first` ms more, when the fault is ours
commands.stretch = function(match, command)
  local claim, refused = own_claim(match, command)
  if refused then return refused end
  if claim.state ~= 'P' then return { 'not_pending' } end
  -- all checked: write
  claim.deadline = math.max(claim.deadline, book.now + tonumber(command.first))
  claim_changed(claim)
  return { 'pending', string.format('%.0f', claim.deadline) }
end

-- forget: the end of a payment whose reservation Redis does not know any more, for the journal.
-- source: the payment; first: kind of the fact; second: amount, method and payment key by `|`
commands.forget = function(match, command)
  local claim = claim_of(match, command.id)
  if claim and claim.payment == command.source then return { 'known' } end
  local amount, method, key = command.second:match('^(%d+)|([^|]*)|(.*)$')
  -- all checked: write
  return payment_fact({ 'forgotten' }, command.first, {
    payment = command.source, id = command.id, match = match.id, user = command.user,
    seats = command.seats, amount = amount, method = method, payment_key = key,
    version = match.version,
  })
end
