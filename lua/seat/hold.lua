-- hold, best: AVAILABLE → HOLD for all seats of a choice, or for none.
-- Replies: hold: held already_held already_reserved not_open pass_required seat_limit taken orphan
-- Replies: best: held not_open pass_required seat_limit none
local function has_pass(match, user)
  if match.passes_used[user] then return false end
  local expires = redis.call('ZSCORE', match.key.passes, user)
  return expires and tonumber(expires) > book.now
end

local function refuse_buyer(match, user, claims, count)
  if match.status ~= 'OPEN' then return 'not_open ' .. match.status end
  if match.queue and not has_pass(match, user) then return 'pass_required' end
  if seats_counted(match, claims) + count > limit.seats_per_user then return 'seat_limit' end
end

-- The first place from `first` to `last` whose seat is not free, and the claim on it; or nil.
local function taken_at(match, first, last)
  local names, found, changed = match.names, match.found, match.seat
  for place = first, last do
    local seat = names[place]
    local value = changed[seat]
    if value == nil then value = found[place] end
    if value then
      local state, claim = state_of(match, seat, value)
      if state ~= 'A' then return place, claim end
    end
  end
end

-- Those of the seats from `first` to `last` that others have, by comma, or nil; and when it is the
-- user himself who has some, the first such claim, and the seats that it has of these.
local function taken(match, user, first, last)
  local lost, own, mine = {}, nil, {}
  local place, claim = taken_at(match, first, last)
  while place do
    if not claim or claim.user ~= user then
      lost[#lost + 1] = match.names[place]
    elseif not own or own == claim then
      own, mine[#mine + 1] = claim, match.names[place]
    end
    place, claim = taken_at(match, place + 1, last)
  end
  return #lost > 0 and table.concat(lost, ',') or nil, own, table.concat(mine, ',')
end

-- Seats that the choice would leave alone although another choice of as many of these seats side by
-- side leaves none. `beside` names those that may be, as seat:near:beyond. `near` is its neighbour
-- that is not chosen, `-` for none; `beyond` are the first seats behind the chosen ones that it
-- lies at. When none of them is free it is the last seat that is left here, whatever is chosen.
local function orphans(match, beside)
  local found = {}
  for seat, near, beyond in beside:gmatch('(%d+):([%d-]+):([%d+]+)') do
    local alone = near == '-' or seat_of(match, near) ~= 'A'
    if alone and seat_of(match, seat) == 'A' then
      local others = false
      for other in beyond:gmatch('%d+') do others = others or seat_of(match, other) == 'A' end
      if others then found[#found + 1] = seat end
    end
  end
  return found
end

-- first: amount; second: possible orphans when the match has the orphan rule
commands.hold = function(match, command, claims)
  local count, first, beside = count_of[command], from_of[command] + 1, second_of[command]
  local last = first + count - 1
  local made = claim_of(match, claims, id_of[command])
  if made then return 'held ' .. claim_text(made) end
  local lost, own, mine = taken(match, user_of[command], first, last)
  if own and not lost then
    if own.state == 'H' then return 'already_held ' .. own.id .. ' ' .. mine end
    return 'already_reserved ' .. own.id .. ' ' .. mine
  end
  local refused = refuse_buyer(match, user_of[command], claims, count)
  if refused then return refused end
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
