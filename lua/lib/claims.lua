-- The claims of users in a batch. The first claim of a user is in the field of the user, and each
-- further claim in the field of its bucket: the user and one character of its id. A claim never
-- moves to another field. So its id leads to it, whatever else the user has
-- (docs/adr/0014-a-command-reads-one-claim.md).

local LINE_BREAK = 10

-- The field of a claim that is not the first one of its user.
local function bucket_field(user, id)
  return user .. id:sub(BUCKET_AT, BUCKET_AT)
end

-- The same for the claim that a command names.
local function bucket_of_command(batch, command)
  local field = bucket_field(batch.user_of[command], batch.id_of[command])
  batch.bucket_of[command] = field
  return field
end

-- Reads fields of the hash of claims that were not read yet.
local function read_fields(batch, names, size)
  local texts = read_many(batch.key.claims, names, size)
  local records, summaries = batch.records, batch.summaries
  for number = 1, size do
    local field, text = names[number], texts[number]
    if records[field] == nil then
      if text and text:byte() == SUMMARY_MARK then
        summaries[field], text = summary_parse(text)
      end
      if text and text:byte() == CONDUCT_MARK then
        batch.conduct[field], text = conduct_parse(text)
      end
      records[field] = text
    end
  end
end

-- The records of a field that nobody has parsed yet, as text; false when there are none.
local function records_in(batch, field)
  if batch.records[field] == nil then read_fields(batch, { field }, 1) end
  return batch.records[field]
end

local function add_claim(batch, field, record)
  local claim, claims = record_parse(field, record), batch.claims[field]
  if claims then claims[#claims + 1] = claim else batch.claims[field] = { claim } end
  return claim
end

-- All claims of a field, or nil. Those that have ended in this batch are `over`.
local function claims_in(batch, field)
  local text = batch.records[field]
  if text == nil then text = records_in(batch, field) end
  if text then
    if text:find('\n', 1, true) then
      for record in text:gmatch('[^\n]+') do add_claim(batch, field, record) end
    else
      add_claim(batch, field, text)
    end
    batch.records[field] = false
  end
  return batch.claims[field]
end

-- Takes the record with this id out of the text of a field, and returns it as a claim, or nil.
local function take_record(batch, field, text, id)
  local first, last = text:find(id, 1, true)
  if not first or first > 1 and text:byte(first - 1) ~= LINE_BREAK then return nil end
  local ends = text:find('\n', last, true)
  if first == 1 and not ends then
    batch.records[field] = false
    return add_claim(batch, field, text)
  end
  batch.records[field] = ends and text:sub(1, first - 1) .. text:sub(ends + 1)
    or text:sub(1, first - 2)
  return add_claim(batch, field, text:sub(first, ends and ends - 1))
end

-- The claim with this id in a field, or nil.
local function find_in_field(batch, field, id)
  local claims = batch.claims[field]
  if claims then
    for number = 1, #claims do
      if claims[number].id == id then return claims[number] end
    end
  end
  local text = batch.records[field]
  if text == nil then text = records_in(batch, field) end
  if text then return take_record(batch, field, text, id) end
end

-- The claim of a user with this id, or nil.
local function find_in_user(batch, user, id)
  local claim = find_in_field(batch, user, id)
  if claim or not batch.summaries[user] then return claim end
  return find_in_field(batch, bucket_field(user, id), id)
end

-- Counts seats that leave a claim.
local function count_gone(batch, claim, count)
  local user = user_of_field(claim.field)
  -- A claim of another user may end because a command wants its seat.
  if batch.records[user] == nil then records_in(batch, user) end
  local summary = batch.summaries[user]
  if not summary then return end
  summary_add(summary, claim.match, -count)
  field_changed(batch, user)
end

-- The claim leaves the claims of its user. `count` is the number of its seats.
local function remove_claim(batch, claim, count)
  count_gone(batch, claim, count)
  claim.over = true
  field_changed(batch, claim.field)
end

-- The claim keeps only these seats.
local function shrink_claim(batch, claim, seats)
  claim_changed(batch, claim)
  count_gone(batch, claim, seat_count(claim.seats) - seat_count(seats))
  claim.seats = seats
end
