-- hold, best: AVAILABLE → HOLD for all seats of a choice, or for none.
-- Replies: hold: held not_open pass_required seat_limit taken orphan
-- Replies: best: held not_open pass_required seat_limit none
local function has_pass(match, user)
  local expires = redis.call('ZSCORE', match.key.passes, user)
  return expires and tonumber(expires) > book.now
end

local function refuse_buyer(match, user, count)
  if match.status ~= 'OPEN' then return 'not_open' end
  if match.queue and not has_pass(match, user) then return 'pass_required' end
  if seats_counted(match, user) + count > limit.seats_per_user then return 'seat_limit' end
end

-- Those of the seats from `first` to `last` that are not free, by comma; or nil.
local function taken(match, first, last)
  local lost
  for place = first, last do
    local value = value_at(match, place)
    if value and state_of(match, match.names[place], value) ~= 'A' then
      lost = (lost and lost .. ',' or '') .. match.names[place]
    end
  end
  return lost
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
commands.hold = function(match, command)
  local user, first, last = command.user, command.from + 1, command.from + command.count
  local made = claim_of(match, user, command.id)
  if made then return 'held ' .. claim_text(made) end
  local refused = refuse_buyer(match, user, command.count)
  if refused then return refused end
  local lost = taken(match, first, last)
  if lost then return 'taken ' .. lost end
  if command.second ~= '' then
    local alone = orphans(match, command.second)
    if #alone > 0 then return 'orphan ' .. table.concat(alone, ',') end
  end
  -- all checked: write
  return 'held ' .. claim_make(match, command, 'H', match.names, first, last, command.first)
end

-- first: amount of each choice, by comma; second: seats of a choice; seats: choice after choice,
-- the best first. Takes the first one that is still whole.
commands.best = function(match, command)
  local made = claim_of(match, command.user, command.id)
  if made then return 'held ' .. claim_text(made) end
  local size, first = tonumber(command.second), command.from + 1
  local refused = refuse_buyer(match, command.user, size)
  if refused then return refused end
  for amount in command.first:gmatch('%d+') do
    local last = first + size - 1
    -- all checked: write
    if not taken(match, first, last) then
      return 'held ' .. claim_make(match, command, 'H', match.names, first, last, amount)
    end
    first = last + 1
  end
  return 'none ' .. whole(match.version)
end
