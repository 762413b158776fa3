-- The claims of users in the book: which still stand, and how they end.

-- All claims of a user in this partition; those that ended in this batch say that they are over.
-- They stay text until somebody asks for them.
local function claims_of(user)
  local claims = book.claims[user]
  if claims then return claims end
  local text = book.text[user]
  if text == nil then text = redis.call('HGET', book.key.claims, user) end
  if not text then return NO_CLAIMS end
  claims = claims_parse(user, text)
  book.claims[user] = claims
  return claims
end

-- A reservation has at least these ms more; answers until when.
local function claim_stretch(claim, ms)
  claim_changed(claim)
  local least = whole(book.now + ms)
  if claim.deadline < least then claim.deadline = least end
  due_at(claim.deadline, claim.user)
  return claim.deadline
end

-- A claim leaves its seats to whoever takes them next; why it did is remembered for a while. Not
-- of a hold: one that is gone is gone, unless a reservation took it over.
local function claim_over(match, claim, reason)
  if claim.state ~= 'H' or reason == 'RESERVED' then
    book.ended['e:' .. claim.id] = reason .. ' ' .. claim.user .. ' ' .. claim_text(claim)
    if claim.payment ~= '' then book.ended['p:' .. claim.payment] = claim.id end
  end
  next_version(match)
  claim.over = true
  user_changed(claim.user)
end

-- Ends a claim: its seats become free.
local function claim_end(match, claim, reason)
  local seat, count = match.seat, 0
  for name in claim.seats:gmatch('[^,]+') do
    seat[name], count = false, count + 1
  end
  book.moved = book.moved + count
  claim_over(match, claim, reason)
end

-- Whether a claim of this match still stands. One whose deadline has passed ends here (lazy
-- expiry).
local function claim_stands(match, claim)
  if claim.over or claim.match ~= match.id then return false end
  if claim.deadline <= book.now_text and (claim.state == 'H' or claim.state == 'P') then
    claim_end(match, claim, 'EXPIRED')
    return false
  end
  return true
end

-- The live one of these claims that has this id in this match, or nil. It is also how a command
-- finds what an earlier call of it has made.
local function claim_of(match, claims, id)
  for place = 1, #claims do
    local claim = claims[place]
    if claim.id == id then return claim_stands(match, claim) and claim or nil end
  end
end

-- Whether one of these claims has this id in another match.
local function claim_elsewhere(match, claims, id)
  for _, claim in ipairs(claims) do
    if claim.id == id and not claim.over then return claim.match ~= match.id end
  end
end

-- Why a claim of a user that is not live any more ended (RESERVED, EXPIRED, CANCELLED…), and what
-- it was; nil when nobody remembers it, or not as his.
local function claim_ended(match, user, id)
  local text = book.ended['e:' .. id] or operation_find(book.ring, 'e:' .. id)
  if not text then return nil end
  local reason, whose, record = text:match('^(%S+) (%S+) (.*)$')
  local claim = claim_parse(whose, record)
  if claim.match ~= match.id or whose ~= user then return nil end
  return reason, claim
end
