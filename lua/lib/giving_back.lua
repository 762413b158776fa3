-- Holds and reservations that end before their deadline. Who gives seats back just before it, or
-- reserves them then and cancels, has them for as long as somebody who lets them end. So the time
-- counts for which they were held. A purchase clears it.

-- The parts of their time for which claims were held count as an unpaid end when they make a whole
-- one. A smaller part of a single claim than the least one counts nothing, because most changes of
-- mind are quick.
local WHOLE_PART, LEAST_PART = 1000, 10

-- The part of its time for which a claim was held until now, in thousandths; 0 for one that ends
-- with the sale, whose time was shorter.
local function part_of(batch, match, claim)
  local deadline = tonumber(claim.deadline)
  if match.closes_at and tonumber(match.closes_at) <= deadline then return 0 end
  local full = batch.life_of[claim.state]
  return math.min(WHOLE_PART, math.floor((batch.now + full - deadline) * WHOLE_PART / full))
end

local function part_end(batch, match, user, part)
  -- Claims that ended before, and that nobody has noticed yet, count first.
  if has_overdue(batch) then seats_held_now(batch, match, user) end
  local entry, others = conduct_take(batch, match.id, user)
  if batch.now >= entry.part_at + UNPAID_KEPT_MS then entry.part = 0 end
  entry.part, entry.part_at = entry.part + part, batch.now
  if entry.part >= WHOLE_PART then
    entry.part = entry.part - WHOLE_PART
    unpaid_add(entry, batch.now)
  end
  conduct_put(batch, match.id, user, entry, others)
  -- In whole minutes, so that somebody who gives back often has one entry for many.
  local old_at = batch.now + UNPAID_KEPT_MS
  due_at(batch, whole(math.ceil(old_at / 60000) * 60000), user)
end

-- Counts the time for which a claim was held that ends now.
local function count_part(batch, match, claim)
  if batch.cool_after == 0 or match.status ~= MATCH.OPEN then return end
  local part = part_of(batch, match, claim)
  if part >= LEAST_PART then part_end(batch, match, claim.user, part) end
end

-- Ends a hold or a reservation that its user gives back.
local function give_back(batch, match, claim, reason)
  count_part(batch, match, claim)
  end_claim(batch, match, claim, reason)
end
