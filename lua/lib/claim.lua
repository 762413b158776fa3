-- A claim: a hold, or the reservation that took over its seats. One record of fields joined by '|':
-- state (H hold, P pending, Y paying, C confirmed, R refunding), match, user, deadline in ms,
-- version, amount in KRW, seats (by comma), payment, method, payment state (R ready, I in progress,
-- A the gateway is asked by the reconciler, P paid, F failed), payment key, made at in ms, and once
-- a payment has begun what lib/money.lua knows. domain/claim.rs reads the same form.
local function claim_parse(id, text)
  local field = {}
  for part in (text .. '|'):gmatch('([^|]*)|') do field[#field + 1] = part end
  local seats = {}
  for seat in field[7]:gmatch('[^,]+') do seats[#seats + 1] = seat end
  return {
    id = id, state = field[1], match = field[2], user = field[3], deadline = tonumber(field[4]),
    version = tonumber(field[5]), amount = field[6], seats = seats, payment = field[8],
    method = field[9], payment_state = field[10], payment_key = field[11], made_at = field[12],
    more = field[13],
  }
end

local function claim_text(claim)
  local text = table.concat({
    claim.state, claim.match, claim.user, string.format('%.0f', claim.deadline),
    string.format('%.0f', claim.version), claim.amount, table.concat(claim.seats, ','),
    claim.payment, claim.method, claim.payment_state, claim.payment_key, claim.made_at,
  }, '|')
  return claim.more and text .. '|' .. claim.more or text
end
