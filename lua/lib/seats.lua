-- Seats in the book: who has one, how many a user has, and a new claim on some.
-- State letter of a seat, and the claim that has it. A seat that points at a claim which does not
-- exist counts as taken: nothing is ever free by accident.
local function seat_of(match, seat)
  local value = match.seat[seat]
  if value == nil then
    value = redis.call('HGET', match.key.seats, seat)
    match.seat[seat] = value
  end
  if not value then return 'A' end
  if value == 'B' then return value end
  local claim = claim_of(match, value:sub(2))
  value = match.seat[seat]
  if not value then return 'A' end
  return value:sub(1, 1), claim
end

local function seats_counted(match, user)
  local text = user_claims(match, user)
  if text == '' then return 0 end
  local count = 0
  for id in text:gmatch('[^,]+') do
    local claim = claim_of(match, id)
    if claim then count = count + #claim.seats end
  end
  return count
end

-- A new claim takes its seats (state letter of the seats as given).
local function claim_make(match, claim, letter)
  claim.match, claim.version = match.id, next_version(match)
  claim.made_at = book.now_text
  book.claims[claim.id] = claim
  claim_changed(claim)
  user_add(match, claim.user, claim.id)
  local value = letter .. claim.id
  for _, seat in ipairs(claim.seats) do seat_write(match, seat, value) end
end

-- A durable fact for the journal; its id is appended to the command's reply, a list of words.
local function fact(reply, fields)
  book.facts[#book.facts + 1] = { reply = reply, fields = fields }
  return reply
end
