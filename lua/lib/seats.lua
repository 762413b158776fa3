-- The seats of a match in a batch: who has one, and a new claim on some.

-- The seats that a command names, as a list.
local function seats_of(batch, match, command)
  local seats, before = {}, batch.seats_before_of[command]
  for number = 1, batch.seat_count_of[command] do
    local seat = match.names[before + number]
    seats[number] = seat
    match.stored[seat] = match.found[before + number]
  end
  return seats
end

-- The state of a seat with this value, and the live claim that has the seat. A seat of a user who
-- has no claim on it counts as taken, because nothing may become free by accident.
local function state_of(batch, match, seat, value)
  if not value then return SEAT.AVAILABLE end
  local letter, user = value:sub(1, 1), value:sub(2)
  if user == '' then return letter end
  for _, claim in ipairs(claims_of(batch, user)) do
    local live = has_seat(claim.seats, seat) and expire_if_due(batch, match, claim)
    if live then return letter, claim end
  end
  return match.changed[seat] == false and SEAT.AVAILABLE or letter
end

-- The value of a seat in this batch; false or nil when it is free.
local function seat_value(match, seat)
  local value = match.changed[seat]
  if value == nil then value = match.stored[seat] end
  if value == nil then
    value = redis.call('HGET', match.key.seats, seat)
    match.stored[seat] = value
  end
  return value
end

local function seat_state(batch, match, seat)
  return state_of(batch, match, seat, seat_value(match, seat))
end

-- How many seats the claims of a user have in this match.
local function seats_held(batch, match, claims)
  local count = 0
  for number = 1, #claims do
    local claim = claims[number]
    local live = expire_if_due(batch, match, claim)
    if live then count = count + seat_count(claim.seats) end
  end
  return count
end

-- Makes the claim of a command on the seats of a list from `first` to `last`, and returns its
-- record.
local function make_claim(batch, match, command, state, list, first, last, amount)
  local id, user = batch.id_of[command], batch.user_of[command]
  local claims, deadline = claims_of(batch, user), batch.deadline_of[state]
  local record = id .. '|' .. state .. '|' .. match.id .. '|' .. deadline .. '|'
    .. table.concat(list, ',', first, last) .. '|' .. whole(next_version(match)) .. '|' .. amount
  if claims == NO_CLAIMS then
    batch.records[user] = record
  else
    claims[#claims + 1] = record_parse(user, record)
  end
  user_changed(batch, user)
  due_at(batch, deadline, user)
  local changed, value = match.changed, state .. user
  for number = first, last do changed[list[number]] = value end
  return record
end
