-- request, begin, stretch, forget: a reservation on its way through one payment.
-- A reservation that is PAYING has no deadline: only an outcome moves it on.
-- Replies: request: ended not_found ready not_pending
-- Replies: begin: ended not_found amount_mismatch in_progress paid not_pending failed begun
-- Replies: stretch: ended not_found not_pending pending
-- Replies: forget: known forgotten
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
  -- A reservation that lives has its say in the journal, also about an earlier payment.
  if claim_of(match, command.id) then return { 'known' } end
  local amount, method, key = command.second:match('^(%d+)|([^|]*)|(.*)$')
  -- all checked: write
  return payment_fact({ 'forgotten' }, command.first, {
    payment = command.source, id = command.id, match = match.id, user = command.user,
    seats = command.seats, amount = amount, method = method, payment_key = key,
    version = match.version,
  })
end
