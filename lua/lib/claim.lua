-- A claim: a hold, or the reservation that took over its seats. One record of fields joined by '|':
-- state (H hold, P pending, Y paying, C confirmed, R refunding), match, user, deadline in ms, seats
-- (by comma), version, amount in KRW, payment, method, payment state (R ready, I in progress,
-- P paid, F failed), payment key, made at in ms. domain/claim.rs reads the same form.
local NO_PAYMENT = '|||'

-- The text of a whole number: Lua's own has 14 digits.
local function whole(number)
  return string.format('%d', number)
end

local function split(text)
  if not text:find(',', 1, true) then return { text } end
  local list, count = {}, 0
  for part in text:gmatch('[^,]+') do
    count = count + 1
    list[count] = part
  end
  return list
end

-- Most commands need no more than the head of a record: the rest is read when one of its fields is
-- first asked for.
local claim_rest = {}
function claim_rest.__index(claim, name)
  local rest = rawget(claim, 'rest')
  if not rest then return nil end
  claim.rest = false
  local version, amount, paid, made_at = rest:match('^(%d+)|(%d+)|(.*)|(%d+)$')
  claim.version, claim.amount, claim.made_at = tonumber(version), amount, made_at
  claim.payment, claim.method, claim.payment_state, claim.payment_key = '', '', '', ''
  if paid ~= NO_PAYMENT then
    claim.payment, claim.method, claim.payment_state, claim.payment_key =
      paid:match('^([^|]*)|([^|]*)|([^|]*)|(.*)$')
  end
  return rawget(claim, name)
end

-- Ids have 22 characters (docs/REDIS.md), so that the head begins with fixed places.
local function claim_parse(id, text)
  local deadline_end = text:find('|', 49, true)
  local seats_end = text:find('|', deadline_end + 1, true)
  return setmetatable({
    id = id, state = text:sub(1, 1), match = text:sub(3, 24), user = text:sub(26, 47),
    deadline = tonumber(text:sub(49, deadline_end - 1)),
    seats = split(text:sub(deadline_end + 1, seats_end - 1)), rest = text:sub(seats_end + 1),
    over = false,
  }, claim_rest)
end

-- The record; kept until the claim changes, because reply and write both want it.
local function claim_text(claim)
  if claim.text then return claim.text end
  local paid = NO_PAYMENT
  if claim.payment ~= '' then
    paid = claim.payment .. '|' .. claim.method .. '|' .. claim.payment_state .. '|'
      .. claim.payment_key
  end
  claim.text = claim.state .. '|' .. claim.match .. '|' .. claim.user .. '|'
    .. whole(claim.deadline) .. '|' .. table.concat(claim.seats, ',') .. '|' .. whole(claim.version)
    .. '|' .. claim.amount .. '|' .. paid .. '|' .. claim.made_at
  return claim.text
end
