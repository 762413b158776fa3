-- The number of seats that a user has in a match, for the limit of seats per user.

-- The seats in this match of the claims of a field, without those whose deadline has passed.
local function seats_in_field(batch, match, field)
  local claims, count = claims_in(batch, field), 0
  if not claims then return 0 end
  for number = 1, #claims do
    local claim = claims[number]
    if expire_if_due(batch, match, claim) then count = count + seat_count(claim.seats) end
  end
  return count
end

-- How many seats the claims of a user have in this match. The summary of a user also counts claims
-- that nobody has ended at their deadline yet.
local function seats_held(batch, match, user)
  local summary = batch.summaries[user]
  if summary then return summary_seats(summary, match.id) end
  return seats_in_field(batch, match, user)
end

-- All fields with claims of a user, which are read now.
local function fields_of_user(batch, user)
  if not batch.summaries[user] then return { user } end
  local fields = {}
  for number = 1, #BUCKETS do fields[number] = user .. BUCKETS:sub(number, number) end
  read_fields(batch, fields, #fields)
  fields[#fields + 1] = user
  return fields
end

-- The same without claims whose deadline has passed. It reads all claims of the user, so it is only
-- done before a hold is refused for the number of seats.
local function seats_held_now(batch, match, user)
  local count = 0
  for _, field in ipairs(fields_of_user(batch, user)) do
    count = count + seats_in_field(batch, match, field)
  end
  return count
end

-- A claim of the user in this match that is not paid, or nil.
local function unpaid_claim(batch, match, user)
  for _, field in ipairs(fields_of_user(batch, user)) do
    for _, claim in ipairs(claims_in(batch, field) or {}) do
      local is_paid = claim.state == CLAIM.CONFIRMED or claim.state == CLAIM.REFUNDING
      if not is_paid and expire_if_due(batch, match, claim) then return claim end
    end
  end
end
