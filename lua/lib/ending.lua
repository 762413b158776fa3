-- The ends of claims: at their deadline, or by a command. And the claims that have not ended yet.

-- Gives a reservation at least this many ms from now, and returns its deadline.
local function extend_claim(batch, claim, ms)
  claim_changed(batch, claim)
  local least = whole(batch.now + ms)
  if claim.deadline < least then claim.deadline = least end
  due_at(batch, claim.deadline, claim.field)
  return claim.deadline
end

-- Ends a claim whose seats go to another claim. The reason is remembered for a while. That of a
-- hold is not, unless the hold became a reservation: any other hold that is not there was given
-- back or has expired. `count` is the number of its seats.
local function end_claim_keep_seats(batch, match, claim, reason, count)
  if claim.state ~= CLAIM.HOLD or reason == ENDED.RESERVED then
    batch.notes[NOTE.ENDED .. claim.id] = reason .. ' ' .. claim.user .. ' ' .. record_text(claim)
    if claim.payment ~= '' then batch.notes[NOTE.PAYMENT .. claim.payment] = claim.id end
  end
  next_version(match)
  if match.queue then match.buyers[claim.user] = true end
  remove_claim(batch, claim, count)
end

-- Ends a claim and frees its seats.
local function end_claim(batch, match, claim, reason)
  local changed, seats, count = match.changed, claim.seats, 1
  if not seats:find(',', 1, true) then
    changed[seats] = false
  else
    count = 0
    for seat in seats:gmatch('[^,]+') do changed[seat], count = false, count + 1 end
  end
  batch.seats_moved = batch.seats_moved + count
  end_claim_keep_seats(batch, match, claim, reason, count)
end

-- Ends a claim of this match whose deadline has passed, because nobody may have swept it yet, and a
-- hold of a match whose sale has ended. Returns whether the claim is live afterwards.
local function expire_if_due(batch, match, claim)
  if claim.over or claim.match ~= match.id then return false end
  local is_hold, is_late = claim.state == CLAIM.HOLD, claim.deadline <= batch.now_text
  if not is_late and not (is_hold and match.status ~= MATCH.OPEN) then return true end
  if not is_hold and claim.state ~= CLAIM.PENDING then return true end
  end_claim(batch, match, claim, ENDED.EXPIRED)
  if is_late then unpaid_end(batch, match, claim.user, tonumber(claim.deadline)) end
  return false
end

-- The live claim of a user with this id in this match, or nil. In this way a command also finds the
-- claim that an earlier call of the same command has made.
local function find_claim(batch, match, user, id)
  local claim = find_in_user(batch, user, id)
  return claim and expire_if_due(batch, match, claim) and claim or nil
end

-- The live claim that a command names, or nil.
local function named_claim(batch, match, command)
  local user, id = batch.user_of[command], batch.id_of[command]
  local claim = find_in_field(batch, user, id)
  if not claim then
    if not batch.summaries[user] then return nil end
    local bucket = batch.bucket_of[command] or bucket_of_command(batch, command)
    claim = find_in_field(batch, bucket, id)
  end
  return claim and expire_if_due(batch, match, claim) and claim or nil
end

-- Why a claim of this user has ended (RESERVED, EXPIRED, CANCELLED…), and the claim as it was. Nil
-- when nobody remembers it, or when it was a claim of another user or match.
local function ended_claim(batch, match, user, id)
  local note = NOTE.ENDED .. id
  local text = batch.notes[note] or operation_find(batch.ring, note)
  if not text then return nil end
  local reason, owner, record = text:match('^(%S+) (%S+) (.*)$')
  local claim = record_parse(owner, record)
  if claim.match ~= match.id or owner ~= user then return nil end
  return reason, claim
end

-- The live hold with this id, or nil and the reply of a command on a hold that is not there.
-- `when_gone` is the reply when the hold was given back or has expired. The node has verified from
-- the id that the hold was issued to this user (`owned` in src/engine/reply.rs).
local function find_hold(batch, match, user, id, when_gone)
  local hold = find_claim(batch, match, user, id)
  if hold then
    if hold.state ~= CLAIM.HOLD then return nil, 'already_reserved' end
    return hold
  end
  local other = find_in_user(batch, user, id)
  if other and other.match ~= match.id and not other.over then return nil, 'not_found' end
  local reason = ended_claim(batch, match, user, id)
  return nil, reason == ENDED.RESERVED and 'already_reserved' or when_gone
end
