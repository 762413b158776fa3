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

-- source: the payment; first: amount; second: payment key
commands.begin = function(match, command)
  local claim, refused = own_claim(match, command)
  if refused then return refused end
  if claim.payment ~= command.source then return { 'not_pending' } end
  -- What is given back of a sale does not change what was charged for it.
  local money = money_of(claim)
  local charged = string.format('%.0f', claim.amount + money.back)
  if charged ~= command.first then return { 'amount_mismatch', charged } end
  local same = claim.payment_key == command.second
  if claim.state == 'Y' then return { same and 'in_progress' or 'not_pending' } end
  if claim.state == 'C' then return { same and 'paid' or 'not_pending' } end
  if claim.state ~= 'P' then return { 'not_pending' } end
  if claim.payment_state == 'F' then return { 'failed' } end
  -- all checked: write
  money.attempt = money.attempt + 1
  claim.state, claim.payment_state, claim.payment_key = 'Y', 'I', command.second
  money_write(claim, money)
  local reply = { 'begun', string.format('%.0f', money.attempt) }
  return payment_fact(reply, 'payment_begun', claim)
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

-- forget: what became of a payment whose reservation is gone or has moved on to another payment,
-- for the journal. source: the payment; first: kind of the fact; the rest as `claim_told` reads it.
commands.forget = function(match, command)
  local claim = claim_of(match, command.id)
  -- A reservation that is on this very payment has its say itself.
  if claim and claim.payment == command.source and claim.state ~= 'P' then return { 'known' } end
  -- all checked: write
  return payment_fact({ 'forgotten' }, command.first, claim_told(match, command))
end
