-- How a user has held seats in a match: what a cool-down is computed from. It is one line in the
-- user's field in the hash of claims, behind the summary and before the records: '~', then for each
-- match `MATCH:begun:since:unpaid:last:part:part_at,`: how many holds have begun since the time
-- `since`; how many holds and reservations have ended unpaid, the last one at the deadline `last`;
-- and for which part of their time, in thousandths, claims were held that were given back, the last
-- one at `part_at`. What is 0 is missing at the end. `src/engine/claim_fields.rs` reads the same
-- form.
local CONDUCT_MARK = 126 -- '~'
-- Holds are counted for this time from the first of them on.
local HOLDS_WINDOW_MS = 600000
-- Unpaid ends are forgotten this time after the last one, and parts too. It is longer than the
-- longest cool-down, a hold and a reservation together, so that a hoarder who goes on does not
-- start from zero.
local UNPAID_KEPT_MS = 3600000
-- Each further unpaid end doubles the cool-down, up to the longest one.
local COOL_DOWN_FIRST_MS, COOL_DOWN_MAX_MS = 60000, 1800000

-- Reads the text of a field behind the summary; returns the conduct, and the records or false.
local function conduct_parse(text)
  local ends = text:find('\n', 1, true)
  return text:sub(2, ends and ends - 1), ends and text:sub(ends + 1) or false
end

-- The text of a field with the conduct before these records.
local function conduct_text(conduct, records)
  if not records then return '~' .. conduct end
  return '~' .. conduct .. '\n' .. records
end

-- The conduct of a user in a match, and that in other matches as text.
local function conduct_take(batch, match_id, user)
  local text = batch.conduct[user] or ''
  local entry = { begun = 0, since = 0, unpaid = 0, last = 0, part = 0, part_at = 0 }
  local first = text:find(match_id, 1, true)
  if not first then return entry, text end
  local begun, since, unpaid, last, part, part_at =
    text:match('^:(%d+):(%d+):?(%d*):?(%d*):?(%d*):?(%d*),', first + ID_LAST)
  entry.begun, entry.since = tonumber(begun) or 0, tonumber(since) or 0
  entry.unpaid, entry.last = tonumber(unpaid) or 0, tonumber(last) or 0
  entry.part, entry.part_at = tonumber(part) or 0, tonumber(part_at) or 0
  local ends = text:find(',', first, true) or #text
  return entry, text:sub(1, first - 1) .. text:sub(ends + 1)
end

-- Mostly this is the match of the next command, so it comes first.
local function conduct_put(batch, match_id, user, entry, others)
  local text = match_id .. ':' .. entry.begun .. ':' .. whole(entry.since)
  if entry.unpaid > 0 or entry.part > 0 then
    text = text .. ':' .. entry.unpaid .. ':' .. whole(entry.last)
  end
  if entry.part > 0 then text = text .. ':' .. entry.part .. ':' .. whole(entry.part_at) end
  batch.conduct[user] = text .. ',' .. others
  field_changed(batch, user)
end

-- Forgets the conduct of a user in a match, after a purchase or when it is old.
local function conduct_forget(batch, match_id, user)
  local text = batch.conduct[user]
  if not text or not text:find(match_id, 1, true) then return end
  local _, others = conduct_take(batch, match_id, user)
  batch.conduct[user] = others ~= '' and others or nil
  field_changed(batch, user)
end

local function conduct_is_old(entry, now)
  return now >= entry.since + HOLDS_WINDOW_MS
    and (entry.unpaid == 0 or now >= entry.last + UNPAID_KEPT_MS)
    and (entry.part == 0 or now >= entry.part_at + UNPAID_KEPT_MS)
end

-- A new hold counts. The worker looks at the field again when the count is old.
local function hold_begun(batch, match, user)
  if batch.holds_per_window == 0 then return end
  local entry, others = conduct_take(batch, match.id, user)
  if batch.now >= entry.since + HOLDS_WINDOW_MS then
    entry.begun, entry.since = 0, batch.now
    due_at(batch, whole(batch.now + HOLDS_WINDOW_MS), user)
  end
  entry.begun = entry.begun + 1
  conduct_put(batch, match.id, user, entry, others)
end

local function unpaid_add(entry, deadline)
  if deadline >= entry.last + UNPAID_KEPT_MS then entry.unpaid = 0 end
  entry.unpaid, entry.last = entry.unpaid + 1, math.max(entry.last, deadline)
end

-- A hold or reservation has ended at its deadline without a purchase. By the deadlines and not by
-- the time at which somebody notices, so that the order does not matter.
local function unpaid_end(batch, match, user, deadline)
  if batch.cool_after == 0 or match.status ~= MATCH.OPEN then return end
  local entry, others = conduct_take(batch, match.id, user)
  unpaid_add(entry, deadline)
  conduct_put(batch, match.id, user, entry, others)
  due_at(batch, whole(entry.last + UNPAID_KEPT_MS), user)
end

-- When the user may hold seats of the match again; nil: now.
local function cool_down_end(batch, match, user)
  if not batch.conduct[user] then return nil end
  local entry, ends = conduct_take(batch, match.id, user), 0
  local above = entry.unpaid - batch.cool_after
  if batch.cool_after > 0 and above >= 0 then
    ends = entry.last + math.min(COOL_DOWN_FIRST_MS * 2 ^ above, COOL_DOWN_MAX_MS)
  end
  if batch.holds_per_window > 0 and entry.begun >= batch.holds_per_window then
    ends = math.max(ends, entry.since + HOLDS_WINDOW_MS)
  end
  return ends > batch.now and ends or nil
end
