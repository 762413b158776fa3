-- The book of one batch: what the batch has read, what its commands changed, and one write at the
-- end. Commands see each other's changes here before Redis does. A command checks all it needs
-- first, then changes the book; nothing below `book_write` can refuse.
local commands = {}
local limit = {
  hold_ttl_ms = tonumber(ARGV[1]), payment_ttl_ms = tonumber(ARGV[2]),
  seats_per_user = tonumber(ARGV[3]),
}

local book = {
  now = now_ms(), claims = {}, changed = {}, ended = {}, payments = {}, operations = {}, facts = {},
  key = { claims = KEYS[2], due = KEYS[3], payments = KEYS[4], journal = KEYS[5] },
}
book.ring = operation_ring({ KEYS[6], KEYS[7], KEYS[8] }, book.now)

local function claim_changed(claim)
  if not book.changed[claim.id] then book.changed[claim.id] = claim end
end

local function seat_write(match, seat, value)
  match.seat[seat] = value
  if not match.seat_changed[seat] then
    match.seat_changed[seat] = true
    match.seats_changed[#match.seats_changed + 1] = seat
  end
end

local function next_version(match)
  match.version = match.version + 1
  return match.version
end

-- Claims of a user in a match, as a list of ids.
local function user_claims(match, user)
  local list = match.user[user]
  if list == nil then
    list = {}
    local text = redis.call('HGET', match.key.users, user)
    if text then for id in text:gmatch('[^,]+') do list[#list + 1] = id end end
    match.user[user] = list
  end
  return list
end

local function user_add(match, user, id)
  local list = user_claims(match, user)
  list[#list + 1] = id
  match.user_changed[user] = true
end

local function user_remove(match, user, id)
  local left = {}
  for _, other in ipairs(user_claims(match, user)) do
    if other ~= id then left[#left + 1] = other end
  end
  match.user[user], match.user_changed[user] = left, true
end

-- Ends a claim: those of its seats that still point at it become free.
local function claim_end(match, claim, reason)
  for _, seat in ipairs(claim.seats) do
    local value = match.seat[seat]
    if value == nil then value = redis.call('HGET', match.key.seats, seat) end
    if value and value:sub(2) == claim.id then seat_write(match, seat, false) end
  end
  next_version(match)
  user_remove(match, claim.user, claim.id)
  if claim.payment ~= '' then
    book.payments[claim.payment] = false
    book.ended['p:' .. claim.payment] = claim.id
  end
  book.ended['e:' .. claim.id] = reason .. ' ' .. claim_text(claim)
  claim.over = true
  claim_changed(claim)
end

-- A live claim of this match, or nil. A claim whose deadline has passed ends here (lazy expiry).
local function claim_of(match, id)
  local claim = book.claims[id]
  if claim == nil then
    local text = redis.call('HGET', book.key.claims, id)
    claim = text and claim_parse(id, text) or false
    book.claims[id] = claim
  end
  if not claim or claim.over or claim.match ~= match.id then return nil end
  if (claim.state == 'H' or claim.state == 'P') and claim.deadline <= book.now then
    claim_end(match, claim, 'EXPIRED')
    return nil
  end
  return claim
end

-- Why a claim that is not live any more ended: RELEASED, EXPIRED, CANCELLED…; and its last record.
local function claim_ended(match, id)
  local text = book.ended['e:' .. id] or operation_find(book.ring, 'e:' .. id)
  if not text then return nil end
  local reason, record = text:match('^(%S+) (.*)$')
  local claim = claim_parse(id, record)
  if claim.match ~= match.id then return nil end
  return reason, claim
end
