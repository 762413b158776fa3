-- The record of a claim: a hold, or the reservation that took over its seats. It is one line of
-- fields with '|' between them; lua/README.md has the table of fields. `src/domain/claim.rs` reads
-- the same form.

-- Ids have 22 characters, so the first four fields begin at fixed places.
local ID_LAST, STATE_AT, MATCH_FIRST, MATCH_LAST, DEADLINE_FIRST = 22, 24, 26, 47, 49
-- This character of its id is the bucket of a claim. It has six random bits.
local BUCKET_AT = 21
local BUCKETS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
-- From the deadline on: deadline and seats; the two numbers only prove that the record is whole.
local DEADLINE_ON = '^(%d+)|([^|]*)|%d+|%d+'
-- The fields that most commands do not need.
local REST = '^[^|]*|%u|[^|]*|%d+|[^|]*|(%d+)|(%d+)'
  .. '|?([^|]*)|?([^|]*)|?([^|]*)|?([^|]*)|?([^|]*)|?([^|]*)|?(.*)$'

local function record_load_rest(claim)
  local version
  version, claim.amount, claim.terms, claim.bill, claim.payment, claim.method,
    claim.payment_state, claim.payment_key, claim.money = claim.text:match(REST)
  claim.version = tonumber(version)
end

-- Only the first fields are read at once. The first access to any other field reads the rest. The
-- user is the beginning of the name of the claim's field.
local function user_of_field(field)
  return #field == ID_LAST and field or field:sub(1, ID_LAST)
end

local rest_on_access = {}
function rest_on_access.__index(claim, name)
  if name == 'user' then return user_of_field(claim.field) end
  if rawget(claim, 'version') then return nil end
  record_load_rest(claim)
  return rawget(claim, name)
end

-- Reads a record in this field of the hash of claims. A record that cannot be read stays as it is,
-- belongs to no match, and stops no command.
local function record_parse(field, text)
  local deadline, seats = text:match(DEADLINE_ON, DEADLINE_FIRST)
  if not deadline then
    return {
      id = '', state = '', match = '', field = field, deadline = '', seats = '', text = text,
      over = false,
    }
  end
  return setmetatable({
    id = text:sub(1, ID_LAST), state = text:sub(STATE_AT, STATE_AT),
    match = text:sub(MATCH_FIRST, MATCH_LAST), field = field, deadline = deadline, seats = seats,
    text = text, over = false,
  }, rest_on_access)
end

-- What follows the amount of a claim without a payment: nothing, when both are empty.
local function record_end(terms, bill)
  if bill ~= '' then return '|' .. terms .. '|' .. bill end
  return terms ~= '' and '|' .. terms or ''
end

-- The record as text. It is kept until the claim changes, because the reply and the write both need
-- it.
local function record_text(claim)
  if claim.text then return claim.text end
  local rest = record_end(claim.terms, claim.bill)
  if claim.payment ~= '' then
    rest = '|' .. claim.terms .. '|' .. claim.bill .. '|' .. claim.payment .. '|' .. claim.method
      .. '|' .. claim.payment_state .. '|' .. claim.payment_key .. '|' .. claim.money
  end
  claim.text = claim.id .. '|' .. claim.state .. '|' .. claim.match .. '|' .. claim.deadline
    .. '|' .. claim.seats .. '|' .. whole(claim.version) .. '|' .. claim.amount .. rest
  return claim.text
end

-- The records of a field: lines that nobody has parsed, and claims; nil or false when all are over.
local function records_text(lines, claims)
  for number = 1, #claims do
    local claim = claims[number]
    if not claim.over then
      lines = lines and lines .. '\n' .. record_text(claim) or record_text(claim)
    end
  end
  return lines
end
