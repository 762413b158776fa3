-- The seats of a match in a batch: who has one, and a new claim on some.

-- The value in this batch of the seat at this place of the named seats; false when it is free.
local function named_value(match, number)
  local value = match.changed[match.names[number]]
  if value == nil then value = match.found[number] end
  return value
end

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

-- The live claim of a field that has the seat, or nil.
local function claim_on_seat(batch, match, field, seat)
  local claims = claims_in(batch, field)
  for number = 1, claims and #claims or 0 do
    local claim = claims[number]
    local has = claim.seats == seat or has_seat(claim.seats, seat)
    if has and expire_if_due(batch, match, claim) then return claim end
  end
end

-- AVAILABLE, or the value of a seat that is taken, and the live claim that has the seat. A value is
-- the letter of a state and the field of that claim; a blocked seat has only the letter. A seat
-- whose claim is not there counts as taken, because nothing may become free by accident.
local function state_of(batch, match, seat, value)
  if not value then return SEAT.AVAILABLE end
  if #value == 1 then return value end
  local claim = claim_on_seat(batch, match, value:sub(2), seat)
  if claim then return value, claim end
  return match.changed[seat] == false and SEAT.AVAILABLE or value
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

-- Whether the user has a claim in the own field that has not ended in this batch.
local function has_first_claim(batch, user)
  if batch.records[user] then return true end
  local claims = batch.claims[user]
  if not claims then return false end
  for number = 1, #claims do
    if not claims[number].over then return true end
  end
  return false
end

-- The summary of a user who gets a second claim.
local function make_summary(batch, match, user)
  local summary = { match_id = match.id, count = 0, others = '' }
  for _, claim in ipairs(claims_in(batch, user)) do
    local counts = not claim.over and claim.id ~= ''
    if counts then summary_add(summary, claim.match, seat_count(claim.seats)) end
  end
  batch.summaries[user] = summary
  return summary
end

-- Makes the claim of a command on seats of a list, from `first` to `last`, with its amount in KRW
-- and its bill. Returns its record.
local function make_claim(batch, match, command, state, list, first, last, amount, bill)
  local user, deadline = batch.user_of[command], batch.deadline_of[state]
  if state == CLAIM.HOLD then
    hold_begun(batch, match, user)
    -- A hold ends with the sale. Both are text with 13 digits.
    if match.closes_at and match.closes_at < deadline then deadline = match.closes_at end
  end
  local field, summary = user, batch.summaries[user]
  if has_first_claim(batch, user) then
    summary = summary or make_summary(batch, match, user)
    field = batch.bucket_of[command] or bucket_of_command(batch, command)
  end
  if summary then
    summary_add(summary, match.id, last - first + 1)
    field_changed(batch, user)
  end
  local seats = first == last and list[first] or table.concat(list, ',', first, last)
  local record = batch.id_of[command] .. '|' .. state .. '|' .. match.id .. '|' .. deadline .. '|'
    .. seats .. '|' .. whole(next_version(match)) .. '|' .. amount
    -- What the buyer is promised from here on, even if the match changes.
    .. record_end(state == CLAIM.PENDING and match.refund_terms or '', bill)
  local before = batch.records[field]
  if before == nil then before = records_in(batch, field) end
  batch.records[field] = before and before .. '\n' .. record or record
  field_changed(batch, field)
  due_at(batch, deadline, field)
  if match.queue then match.buyers[user] = true end
  local changed, value = match.changed, state .. field
  for number = first, last do changed[list[number]] = value end
  return record
end
