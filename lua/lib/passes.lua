-- The passes of a match: the right of a user to hold seats, until a time. The score of a user is
-- the kind of the pass times PASS_KIND (2^43), plus the end in ms, which is below 2^43 until 2248.
local PASS_KIND = 8796093022208

-- ADMITTED: was let in and has not come yet. CHOOSING: has no seats. BUYING: has seats.
local PASS = { ADMITTED = 0, CHOOSING = 1, BUYING = 2 }

-- The kind of a pass, and its end in ms.
local function pass_parse(score)
  score = tonumber(score)
  local kind = math.floor(score / PASS_KIND)
  return kind, score - kind * PASS_KIND
end

local function pass_score(kind, ends_at)
  return string.format('%d', kind * PASS_KIND + ends_at)
end
