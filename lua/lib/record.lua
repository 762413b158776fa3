-- The record of a claim: a hold, or the reservation that took over its seats. It is one line of
-- fields with '|' between them; lua/README.md has the table of fields. All records of a user are
-- one field of the hash of claims. `src/domain/claim.rs` reads the same form.

-- Ids have 22 characters, so the first four fields begin at fixed places.
local ID_LAST, STATE_AT, MATCH_FIRST, MATCH_LAST, DEADLINE_FIRST = 22, 24, 26, 47, 49
-- From the deadline on: deadline and seats; the two numbers only prove that the record is whole.
local DEADLINE_ON = '^(%d+)|([^|]*)|%d+|%d+'
-- The fields that most commands do not need.
local REST = '^[^|]*|%u|[^|]*|%d+|[^|]*|(%d+)|(%d+)'
  .. '|?([^|]*)|?([^|]*)|?([^|]*)|?([^|]*)|?(.*)$'

local function record_load_rest(claim)
  local version
  version, claim.amount, claim.payment, claim.method, claim.payment_state, claim.payment_key,
    claim.money = claim.text:match(REST)
  claim.version = tonumber(version)
end

-- Only the first fields are read at once. The first access to any other field reads the rest.
local rest_on_access = {}
function rest_on_access.__index(claim, name)
  if rawget(claim, 'version') then return nil end
  record_load_rest(claim)
  return rawget(claim, name)
end

-- A record that cannot be read stays as it is, belongs to no match, and stops no command.
local function record_parse(user, text)
  local deadline, seats = text:match(DEADLINE_ON, DEADLINE_FIRST)
  if not deadline then
    return { id = '', state = '', match = '', deadline = '', seats = '', text = text, over = false }
  end
  return setmetatable({
    id = text:sub(1, ID_LAST), state = text:sub(STATE_AT, STATE_AT),
    match = text:sub(MATCH_FIRST, MATCH_LAST), user = user, deadline = deadline, seats = seats,
    text = text, over = false,
  }, rest_on_access)
end

local function records_parse(user, text)
  if not text:find('\n', 1, true) then return { record_parse(user, text) } end
  local list = {}
  for record in text:gmatch('[^\n]+') do list[#list + 1] = record_parse(user, record) end
  return list
end

-- The record as text. It is kept until the claim changes, because the reply and the write both need
-- it.
local function record_text(claim)
  if claim.text then return claim.text end
  local paid = ''
  if claim.payment ~= '' then
    paid = '|' .. claim.payment .. '|' .. claim.method .. '|' .. claim.payment_state .. '|'
      .. claim.payment_key .. '|' .. claim.money
  end
  claim.text = claim.id .. '|' .. claim.state .. '|' .. claim.match .. '|' .. claim.deadline
    .. '|' .. claim.seats .. '|' .. whole(claim.version) .. '|' .. claim.amount .. paid
  return claim.text
end

-- The records of a user, one per line; nil when all claims are over.
local function records_text(claims)
  local text, records
  for number = 1, #claims do
    local claim = claims[number]
    if not claim.over then
      local record = record_text(claim)
      if text then
        records = records or { text }
        records[#records + 1] = record
      end
      text = text or record
    end
  end
  return records and table.concat(records, '\n') or text
end
