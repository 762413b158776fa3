-- Facts for the journal. Both functions return the reply of the command, and the id of the journal
-- entry will follow it.
local function reply_with_fact(batch, command, reply, fields)
  batch.facts[#batch.facts + 1] = { command = command, fields = fields }
  return reply
end

-- `code` is the code of the gateway, when it has refused.
local function reply_with_payment_fact(batch, command, reply, kind, claim, code)
  local fields = {
    't', kind, 'payment', claim.payment, 'reservation', claim.id, 'match', claim.match,
    'user', claim.user, 'seats', claim.seats, 'amount', claim.amount,
    'method', claim.method, 'key', claim.payment_key,
    'version', whole(claim.version), 'at', whole(batch.now), 'money', claim.money,
  }
  if claim.terms ~= '' then
    fields[#fields + 1], fields[#fields + 2] = 'terms', claim.terms
  end
  if claim.bill ~= '' then
    fields[#fields + 1], fields[#fields + 2] = 'bill', claim.bill
  end
  if code then
    fields[#fields + 1] = 'code'
    fields[#fields + 1] = code
  end
  return reply_with_fact(batch, command, reply, fields)
end
