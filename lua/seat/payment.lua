-- request, begin, stretch, forget: a reservation on its way through one payment.
-- A reservation that is PAYING has no deadline: only an outcome moves it on.
-- Replies: request: ended not_found ready not_pending
-- Replies: begin: ended not_found amount_mismatch in_progress paid not_pending failed halted begun
-- Replies: stretch: ended not_found not_pending pending
-- Replies: forget: known forgotten
local function own_claim(match, command, claims)
  local claim = claim_of(match, claims, id_of[command])
  if claim then return claim end
  local reason = claim_ended(match, user_of[command], id_of[command])
  return nil, reason and 'ended ' .. reason or 'not_found'
end

-- The letter of its state says why: Y paying, C paid, R refund under way; P: another payment was
-- requested since.
local function not_pending(claim)
  return 'not_pending ' .. claim.state
end

-- source: the new payment; first: method
commands.request = function(match, command, claims)
  local claim, refused = own_claim(match, command, claims)
  if refused then return refused end
  local reply = 'ready ' .. source_of[command] .. ' ' .. claim.amount
  if claim.payment == source_of[command] then return reply end
  if claim.state ~= 'P' then return not_pending(claim) end
  -- all checked: write
  claim_changed(claim)
  claim.payment, claim.method, claim.payment_state = source_of[command], first_of[command], 'R'
  claim.payment_key = ''
  return reply
end

-- source: the payment; first: amount; second: payment key
commands.begin = function(match, command, claims)
  local claim, refused = own_claim(match, command, claims)
  if refused then return refused end
  if claim.payment ~= source_of[command] then return not_pending(claim) end
  -- What is given back of a sale does not change what was charged for it.
  local money = money_of(claim)
  local charged = whole(claim.amount + money.back)
  if charged ~= first_of[command] then return 'amount_mismatch ' .. charged end
  local same = claim.payment_key == second_of[command]
  if claim.state == 'Y' then return same and 'in_progress' or not_pending(claim) end
  if claim.state == 'C' then return same and 'paid' or not_pending(claim) end
  if claim.state ~= 'P' then return not_pending(claim) end
  if claim.payment_state == 'F' then return 'failed' end
  -- PostgreSQL, which has the last word on a sale, has lost some.
  if match.halted then return 'halted' end
  -- all checked: write
  money.attempt = money.attempt + 1
  money_write(claim, money)
  claim.state, claim.payment_state, claim.payment_key = 'Y', 'I', second_of[command] or ''
  local reply = 'begun ' .. whole(money.attempt)
  return payment_fact(command, reply, 'payment_begun', claim)
end

-- stretch: a PENDING reservation gets at least `first` ms more, when the fault is ours
commands.stretch = function(match, command, claims)
  local claim, refused = own_claim(match, command, claims)
  if refused then return refused end
  if claim.state ~= 'P' then return not_pending(claim) end
  -- all checked: write
  return 'pending ' .. claim_stretch(claim, first_of[command])
end

-- forget: what became of a payment whose reservation is gone or has moved on to another payment,
-- for the journal. source: the payment; first: kind of the fact; the rest as `claim_told` reads it.
commands.forget = function(match, command, claims)
  local claim = claim_of(match, claims, id_of[command])
  -- A reservation that is on this very payment has its say itself.
  local mine = claim and claim.payment == source_of[command]
  if mine and claim.state ~= 'P' then return 'known' end
  -- all checked: write
  return payment_fact(command, 'forgotten', first_of[command], claim_told(match, command))
end
