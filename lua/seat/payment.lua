-- request_payment, begin_payment, extend, record_orphan: a reservation on its way through one
-- payment. A reservation that is PAYING has no deadline: only an outcome moves it on.
-- id: the reservation. payment: the id of the payment (all but extend). request_payment: method.
-- begin_payment: amount in KRW, payment_key. extend: extra_ms. record_orphan: fact: its kind;
-- seats, amount, method, payment_key and money: the payment as PostgreSQL has it.
-- Replies: request_payment: ended not_found ready not_pending
-- Replies: begin_payment: ended not_found amount_mismatch in_progress paid
-- Replies: begin_payment: not_pending failed halted begun
-- Replies: extend: ended not_found not_pending pending
-- Replies: record_orphan: known recorded
local function own_claim(batch, match, command)
  local claim = named_claim(batch, match, command)
  if claim then return claim end
  local reason = ended_claim(batch, match, batch.user_of[command], batch.id_of[command])
  return nil, reason and 'ended ' .. reason or 'not_found'
end

-- The letter of the state tells the node why. PENDING means that another payment was requested
-- since.
local function not_pending(claim)
  return 'not_pending ' .. claim.state
end

commands.request_payment = function(batch, match, command)
  local payment = batch.arguments.payment[command]
  local method = batch.arguments.method[command]
  local claim, refused = own_claim(batch, match, command)
  if refused then return refused end
  local reply = 'ready ' .. payment .. ' ' .. claim.amount
  if claim.payment == payment then return reply end
  if claim.state ~= CLAIM.PENDING then return not_pending(claim) end
  -- all checked: write
  claim_changed(batch, claim)
  claim.payment, claim.method, claim.payment_key = payment, method, ''
  claim.payment_state = PAYMENT.READY
  return reply
end

commands.begin_payment = function(batch, match, command)
  local payment = batch.arguments.payment[command]
  local amount = batch.arguments.amount[command]
  local payment_key = batch.arguments.payment_key[command]
  local claim, refused = own_claim(batch, match, command)
  if refused then return refused end
  if claim.payment ~= payment then return not_pending(claim) end
  -- Refunds of a sale do not change the amount that was charged for it.
  local money = money_of(claim)
  local charged = charged_for(claim, money)
  if charged ~= amount then return 'amount_mismatch ' .. charged end
  local same_key = claim.payment_key == payment_key
  if claim.state == CLAIM.PAYING and same_key then return 'in_progress' end
  if claim.state == CLAIM.CONFIRMED and same_key then return 'paid' end
  if claim.state ~= CLAIM.PENDING then return not_pending(claim) end
  if claim.payment_state == PAYMENT.FAILED then return 'failed' end
  -- PostgreSQL, which decides about sales, has lost some of them.
  if batch.halted then return 'halted' end
  -- all checked: write
  money.attempt = money.attempt + 1
  set_money(batch, claim, money)
  claim.state, claim.payment_key = CLAIM.PAYING, payment_key
  claim.payment_state = PAYMENT.IN_PROGRESS
  local reply = 'begun ' .. whole(money.attempt)
  return reply_with_payment_fact(batch, command, reply, 'payment_begun', claim)
end

-- Gives a PENDING reservation at least `extra_ms` more, when the fault is on our side.
commands.extend = function(batch, match, command)
  local extra_ms = batch.arguments.extra_ms[command]
  local claim, refused = own_claim(batch, match, command)
  if refused then return refused end
  if claim.state ~= CLAIM.PENDING then return not_pending(claim) end
  -- all checked: write
  return 'pending ' .. extend_claim(batch, claim, extra_ms)
end

-- Writes to the journal what has become of a payment whose reservation is gone, or is on another
-- payment by now.
commands.record_orphan = function(batch, match, command)
  local payment = batch.arguments.payment[command]
  local fact = batch.arguments.fact[command]
  local claim = named_claim(batch, match, command)
  -- A reservation that is on this very payment writes its own facts.
  if claim and claim.payment == payment and claim.state ~= CLAIM.PENDING then return 'known' end
  -- all checked: write
  local orphan = claim_from_arguments(batch, match, command)
  return reply_with_payment_fact(batch, command, 'recorded', fact, orphan)
end
