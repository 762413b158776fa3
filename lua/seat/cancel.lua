-- cancel, refund, expire: the ways in which a reservation or a hold ends without a sale.
-- Replies: cancel: not_found cancelled not_cancellable paying refunding
-- Replies: refund: ended kept refunded
-- Replies: expire: kept expired

-- A reservation that is paid is not free at once: the intent of the refund goes to the journal.
commands.cancel = function(match, command)
  local claim = claim_of(match, command.id)
  if not claim then
    local reason, last = claim_ended(match, command.id)
    if not reason or last.user ~= command.user then return { 'not_found' } end
    if reason == 'CANCELLED' or reason == 'REFUNDED' then return { 'cancelled' } end
    return { 'not_cancellable', reason }
  end
  if claim.user ~= command.user then return { 'not_found' } end
  if claim.state == 'H' then return { 'not_found' } end
  if claim.state == 'Y' then return { 'paying' } end
  if claim.state == 'R' then
    return { 'refunding', claim.payment, claim.payment_key, claim.amount }
  end
  -- all checked: write
  if claim.state == 'P' then
    claim_end(match, claim, 'CANCELLED')
    return { 'cancelled' }
  end
  claim.state = 'R'
  claim_changed(claim)
  local reply = { 'refunding', claim.payment, claim.payment_key, claim.amount }
  return payment_fact(reply, 'refund_begun', claim)
end

-- source: the payment; first: `done`, or `refused` when the gateway will not give the money back
commands.refund = function(match, command)
  local claim = claim_of(match, command.id)
  if not claim or claim.payment ~= command.source then return { 'ended' } end
  if claim.state ~= 'R' then return { 'ended' } end
  -- all checked: write
  if command.first == 'refused' then
    claim.state = 'C'
    claim_changed(claim)
    return payment_fact({ 'kept' }, 'refund_refused', claim, { 'code', command.second })
  end
  claim_end(match, claim, 'REFUNDED')
  return payment_fact({ 'refunded' }, 'payment_refunded', claim)
end

commands.expire = function(match, command)
  return { claim_of(match, command.id) and 'kept' or 'expired' }
end
