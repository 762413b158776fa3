-- Seats in the book: who has one, how many a user has, and a new claim on some.
-- The seats that a command names stand in one list per match, with what was found at each place.
-- This gives those of a command as a list of their own.
local function seats_of(match, command)
  local seats = {}
  for number = 1, count_of[command] do
    local place = from_of[command] + number
    local seat = match.names[place]
    seats[number] = seat
    match.looked[seat] = match.found[place]
  end
  return seats
end

-- Looked for as a whole number between commas (44), without making a text for it: a batch may ask
-- this for thousands of seats.
local function has_seat(claim, seat)
  local seats = claim.seats
  local from, to = seats:find(seat, 1, true)
  while from do
    local after = seats:byte(to + 1)
    if (from == 1 or seats:byte(from - 1) == 44) and (not after or after == 44) then return true end
    from, to = seats:find(seat, to + 1, true)
  end
  return false
end

-- State letter of a seat with this value, and the live claim that has it. A seat of a user who has
-- no claim on it counts as taken: nothing is ever free by accident.
local function state_of(match, seat, value)
  if not value then return 'A' end
  local letter, user = value:sub(1, 1), value:sub(2)
  if user == '' then return letter end
  for _, claim in ipairs(claims_of(user)) do
    if has_seat(claim, seat) and claim_stands(match, claim) then return letter, claim end
  end
  return match.seat[seat] == false and 'A' or letter
end

local function seat_of(match, seat)
  local value = match.seat[seat]
  if value == nil then value = match.looked[seat] end
  if value == nil then
    value = redis.call('HGET', match.key.seats, seat)
    match.looked[seat] = value
  end
  return state_of(match, seat, value)
end

local function seats_counted(match, claims)
  local count = 0
  for place = 1, #claims do
    if claim_stands(match, claims[place]) then count = count + seat_count(claims[place]) end
  end
  return count
end

-- A new claim among those of the user of a command takes seats: all that the list has from `first`
-- to `last`.
local function claim_make(match, command, claims, state, list, first, last, amount)
  local id, user, seats = id_of[command], user_of[command], table.concat(list, ',', first, last)
  local text = id .. '|' .. state .. '|' .. match.id .. '|' .. deadline[state] .. '|' .. seats
    .. '|' .. whole(next_version(match)) .. '|' .. amount
  local value = state .. user
  if claims == NO_CLAIMS then
    book.text[user] = text
  else
    claims[#claims + 1] = claim_parse(user, text)
  end
  user_changed(user)
  due_at(deadline[state], user)
  local seat = match.seat
  for place = first, last do seat[list[place]] = value end
  return text
end

-- A durable fact for the journal; its id will follow the reply of the command.
local function fact(command, reply, fields)
  book.facts[#book.facts + 1] = { command = command, fields = fields }
  return reply
end
