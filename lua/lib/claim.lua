-- A claim: a hold, or the reservation that took over its seats. One record of fields joined by '|':
-- id, state (H hold, P pending, Y paying, C confirmed, R refunding), match, deadline in ms, seats
-- (by comma), version, amount in KRW; and once a payment was asked for: payment, method, payment
-- state (R ready, I in progress, A the gateway is asked by the reconciler, P paid, F failed),
-- payment key, and what lib/money.lua knows. The records of a user, one per line, are one field of
-- the claims. domain/claim.rs reads the same form.

-- From the deadline on, which begins at a fixed place because ids have 22 characters.
local HEAD = '^(%d+)|([^|]*)|%d+|%d+'
local REST = '^[^|]*|%u|[^|]*|%d+|[^|]*|(%d+)|(%d+)'
  .. '|?([^|]*)|?([^|]*)|?([^|]*)|?([^|]*)|?(.*)$'

-- The text of a whole number: Lua's own has 14 digits.
local function whole(number)
  return string.format('%d', number)
end

local function split(text)
  local list, count = {}, 0
  for part in text:gmatch('[^,]+') do
    count = count + 1
    list[count] = part
  end
  return list
end

-- The seats of a claim without those of a set, by comma.
local function seats_without(claim, gone)
  local left = {}
  for seat in claim.seats:gmatch('[^,]+') do
    if not gone[seat] then left[#left + 1] = seat end
  end
  return table.concat(left, ',')
end

local function seat_count(claim)
  local _, commas = claim.seats:gsub(',', '')
  return commas + 1
end

-- Most commands need no more than the head of a record: the rest is read when one of its fields is
-- first asked for.
local claim_rest = {}
function claim_rest.__index(claim, name)
  if rawget(claim, 'version') then return nil end
  local version
  version, claim.amount, claim.payment, claim.method, claim.payment_state, claim.payment_key,
    claim.more = claim.text:match(REST)
  claim.version = tonumber(version)
  return rawget(claim, name)
end

-- A record that can't be read stays as it is, stands for nothing, and holds up nobody.
local function claim_parse(user, text)
  local deadline, seats = text:match(HEAD, 49)
  if not deadline then
    return { id = '', state = '', match = '', deadline = '', seats = '', text = text, over = false }
  end
  return setmetatable({
    id = text:sub(1, 22), state = text:sub(24, 24), match = text:sub(26, 47), user = user,
    deadline = deadline, seats = seats, text = text, over = false,
  }, claim_rest)
end

local NO_CLAIMS = {}

local function claims_parse(user, text)
  if not text:find('\n', 1, true) then return { claim_parse(user, text) } end
  local list = {}
  for record in text:gmatch('[^\n]+') do list[#list + 1] = claim_parse(user, record) end
  return list
end

-- The record; kept until the claim changes, because reply and write both want it.
local function claim_text(claim)
  if claim.text then return claim.text end
  local paid = ''
  if claim.payment ~= '' then
    paid = '|' .. claim.payment .. '|' .. claim.method .. '|' .. claim.payment_state .. '|'
      .. claim.payment_key .. '|' .. claim.more
  end
  claim.text = claim.id .. '|' .. claim.state .. '|' .. claim.match .. '|' .. claim.deadline
    .. '|' .. claim.seats .. '|' .. whole(claim.version) .. '|' .. claim.amount .. paid
  return claim.text
end
