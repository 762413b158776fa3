-- The summary of a user who has, or had, several claims: the number of seats that these have in
-- each match. It is the first line of the user's field in the hash of claims: '#', then each match
-- with its number and a comma. It counts a claim until the claim is ended, also when its deadline
-- has passed. `src/engine/claim_fields.rs` reads and writes the same form.
local SUMMARY_MARK = 35 -- '#'
-- The match that was written last is the first one. Mostly it is the only one that is needed.
local FIRST_MATCH, FIRST_MATCH_LAST, FIRST_COUNT = 2, 23, 25

-- The text of one match in a summary.
local function summary_entry(match_id, count)
  if count <= 0 then return '' end
  return match_id .. ':' .. count .. ','
end

-- Reads the text of a field; returns the summary, and the records as text or false. A line that
-- cannot be read stays as it is. A pattern would take each character of the records.
local function summary_parse(text)
  local comma = text:find(',', FIRST_COUNT, true)
  local count = comma and tonumber(text:sub(FIRST_COUNT, comma - 1))
  if not count then return nil, text end
  local ends = text:find('\n', comma, true)
  return {
    match_id = text:sub(FIRST_MATCH, FIRST_MATCH_LAST), count = count,
    others = text:sub(comma + 1, ends and ends - 1),
  }, ends and text:sub(ends + 1) or false
end

-- How many seats the user has in a match. From here on `count` is the number of that match.
local function summary_seats(summary, match_id)
  if summary.match_id == match_id then return summary.count end
  local others, count = summary.others .. summary_entry(summary.match_id, summary.count), 0
  local first, last = others:find(match_id, 1, true)
  if first then
    local digits = others:match('^%d+', last + 2)
    others = others:sub(1, first - 1) .. others:sub(last + #digits + 3)
    count = tonumber(digits)
  end
  summary.match_id, summary.count, summary.others = match_id, count, others
  return count
end

-- Adds seats, or removes them when `count` is negative.
local function summary_add(summary, match_id, count)
  summary.count = summary_seats(summary, match_id) + count
end

-- The text of a user's field with these records; nil or false when nothing is left.
local function summary_text(summary, records)
  local line = summary_entry(summary.match_id, summary.count)
  if line == '' and summary.others == '' then return records end
  if not records then return '#' .. line .. summary.others end
  return '#' .. line .. summary.others .. '\n' .. records
end
