-- hold, best: AVAILABLE → HOLD for all seats of a choice, or for none.
-- Replies: hold: held not_open pass_required seat_limit taken orphan
-- Replies: best: held not_open pass_required seat_limit none
local function has_pass(match, user)
  if match.passes_used[user] then return false end
  local expires = redis.call('ZSCORE', match.key.passes, user)
  return expires and tonumber(expires) > book.now
end

local function refuse_buyer(match, user, claims, count)
  if match.status ~= 'OPEN' then return 'not_open' end
  if match.queue and not has_pass(match, user) then return 'pass_required' end
  if seats_counted(match, claims) + count > limit.seats_per_user then return 'seat_limit' end
end

-- The first place from `first` to `last` whose seat is not free; or nil.
local function taken_at(match, first, last)
  local names, found, changed = match.names, match.found, match.seat
  for place = first, last do
    local seat = names[place]
    local value = changed[seat]
    if value == nil then value = found[place] end
    if value and state_of(match, seat, value) ~= 'A' then return place end
  end
end

-- Those of the seats from `first` to `last` that are not free, by comma; or nil.
local function taken(match, first, last)
  local lost, count = {}, 0
  local place = taken_at(match, first, last)
  while place do
    count = count + 1
    lost[count] = match.names[place]
    place = taken_at(match, place + 1, last)
  end
  return count > 0 and table.concat(lost, ',') or nil
end

-- Seats that the choice would leave alone between taken ones. `pairs_text` names them as
-- seat:neighbour on the far side, `-` for the end of the row.
local function orphans(match, pairs_text)
  local found = {}
  for seat, far in pairs_text:gmatch('(%d+):([%d-]+)') do
    local alone = far == '-' or seat_of(match, far) ~= 'A'
    if alone and seat_of(match, seat) == 'A' then found[#found + 1] = seat end
  end
  return found
end

-- first: amount; second: possible orphans when the match has the orphan rule
commands.hold = function(match, command, claims)
  local count, first, beside = count_of[command], from_of[command] + 1, second_of[command]
  local last = first + count - 1
  local made = claim_of(match, claims, id_of[command])
  if made then return 'held ' .. claim_text(made) end
  local refused = refuse_buyer(match, user_of[command], claims, count)
  if refused then return refused end
  local lost = taken(match, first, last)
  if lost then return 'taken ' .. lost end
  if beside then
    local alone = orphans(match, beside)
    if #alone > 0 then return 'orphan ' .. table.concat(alone, ',') end
  end
  -- all checked: write
  local amount = first_of[command]
  return 'held ' .. claim_make(match, command, claims, 'H', match.names, first, last, amount)
end

-- first: amount of each choice, by comma; second: seats of a choice; seats: choice after choice,
-- the best first. Takes the first one that is still whole.
commands.best = function(match, command, claims)
  local made = claim_of(match, claims, id_of[command])
  if made then return 'held ' .. claim_text(made) end
  local size, first = tonumber(second_of[command]), from_of[command] + 1
  local refused = refuse_buyer(match, user_of[command], claims, size)
  if refused then return refused end
  for amount in (first_of[command] or ''):gmatch('%d+') do
    local last = first + size - 1
    -- all checked: write
    if not taken_at(match, first, last) then
      return 'held ' .. claim_make(match, command, claims, 'H', match.names, first, last, amount)
    end
    first = last + 1
  end
  return 'none ' .. whole(match.version)
end
