-- The book of one batch: what the batch has read, what its commands changed, and one write at the
-- end. Commands see each other's changes here before Redis does. A command checks all it needs
-- first, then changes the book; nothing below `book_write` can refuse.
local commands = {}
local limit = {
  hold_ttl_ms = tonumber(ARGV[1]), payment_ttl_ms = tonumber(ARGV[2]),
  seats_per_user = tonumber(ARGV[3]),
}

local book = {
  now = now_ms(), claims = {}, changed = {}, changes = 0, ended = {}, payments = {},
  operations = {}, facts = {},
  key = { claims = KEYS[2], due = KEYS[3], payments = KEYS[4], journal = KEYS[5] },
}
book.now_text = whole(book.now)
book.ring = operation_ring({ KEYS[6], KEYS[7], KEYS[8] }, book.now)

-- A claim or user that changes twice stands twice in its list of changes: what is written is how it
-- stands at the end, and writing that twice does nothing. A seat stands once, because it is told.
local function claim_changed(claim)
  local count = book.changes + 1
  book.changes, book.changed[count] = count, claim
  claim.text = nil
end

local function seat_write(match, seat, value)
  match.seat[seat] = value
  if match.seat_is_changed[seat] then return end
  match.seat_is_changed[seat] = true
  local count = match.seat_changes + 1
  match.seat_changes, match.seat_changed[count] = count, seat
end

local function next_version(match)
  match.version = match.version + 1
  return match.version
end

-- Claims of a user in a match, by comma.
local function user_claims(match, user)
  local text = match.user[user]
  if text == nil then
    text = redis.call('HGET', match.key.users, user) or ''
    match.user[user] = text
  end
  return text
end

local function user_write(match, user, text)
  match.user[user] = text
  local count = match.user_changes + 1
  match.user_changes, match.user_changed[count] = count, user
end

local function user_add(match, user, id)
  local text = user_claims(match, user)
  user_write(match, user, text == '' and id or text .. ',' .. id)
end

local function user_remove(match, user, id)
  local text = user_claims(match, user)
  if text == id then return user_write(match, user, '') end
  local left = {}
  for other in text:gmatch('[^,]+') do if other ~= id then left[#left + 1] = other end end
  user_write(match, user, table.concat(left, ','))
end

-- Of an ended hold only the head of its record is kept: nobody asks for more.
local function ended_text(claim)
  if claim.state ~= 'H' then return claim_text(claim) end
  return 'H|' .. claim.match .. '|' .. claim.user
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
  if claim.state ~= 'H' and claim.payment ~= '' then
    book.payments[claim.payment] = false
    book.ended['p:' .. claim.payment] = claim.id
  end
  book.ended['e:' .. claim.id] = reason .. ' ' .. ended_text(claim)
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
  if claim.deadline <= book.now and (claim.state == 'H' or claim.state == 'P') then
    claim_end(match, claim, 'EXPIRED')
    return nil
  end
  return claim
end

-- What an earlier call of the same command made: it is among the claims of its user.
local function claim_made(match, command)
  if not user_claims(match, command.user):find(command.id, 1, true) then return nil end
  return claim_of(match, command.id)
end

-- Why a claim that is not live any more ended: RELEASED, EXPIRED, CANCELLED…; and whose it was.
local function claim_ended(match, id)
  local text = book.ended['e:' .. id] or operation_find(book.ring, 'e:' .. id)
  if not text then return nil end
  local reason, of, user = text:match('^(%S+) %u|([^|]*)|([^|]*)')
  if of ~= match.id then return nil end
  return reason, { user = user }
end
