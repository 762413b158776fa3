-- hold, best: AVAILABLE → HOLD for all seats of a choice, or for none.
-- Replies: hold: held not_open pass_required seat_limit taken orphan
-- Replies: best: held not_open pass_required seat_limit none
local function held(claim)
  return 'held ' .. claim.id .. ' ' .. claim_text(claim)
end

local function has_pass(match, user)
  local expires = redis.call('ZSCORE', match.key.passes, user)
  return expires and tonumber(expires) > book.now
end

local function refuse_buyer(match, user, count)
  if match.status ~= 'OPEN' then return 'not_open' end
  if match.queue and not has_pass(match, user) then return 'pass_required' end
  if seats_counted(match, user) + count > limit.seats_per_user then return 'seat_limit' end
end

local function make_hold(match, command, seats, amount)
  local claim = {
    id = command.id, state = 'H', user = command.user, deadline = book.now + limit.hold_ttl_ms,
    amount = amount, seats = seats, payment = '', method = '', payment_state = '',
    payment_key = '',
  }
  claim_make(match, claim, 'H')
  return held(claim)
end

-- Those of the seats that are not free, or nil.
local function taken(match, seats)
  local lost
  for _, seat in ipairs(seats) do
    if match.seat[seat] ~= false and seat_of(match, seat) ~= 'A' then
      lost = lost or {}
      lost[#lost + 1] = seat
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
  local made = claim_made(match, command)
  if made then return held(made) end
  local refused = refuse_buyer(match, command.user, #command.seats)
  if refused then return refused end
  local lost = taken(match, command.seats)
  if lost then return 'taken ' .. table.concat(lost, ',') end
  if command.second ~= '' then
    local alone = orphans(match, command.second)
    if #alone > 0 then return 'orphan ' .. table.concat(alone, ',') end
  end
  -- all checked: write
  return make_hold(match, command, command.seats, command.first)
end

-- first: amount of each choice, by comma; second: seats of a choice; seats: choice after choice,
-- the best first. Takes the first one that is still whole.
commands.best = function(match, command)
  local made = claim_made(match, command)
  if made then return held(made) end
  local size = tonumber(command.second)
  local refused = refuse_buyer(match, command.user, size)
  if refused then return refused end
  local number = 0
  for amount in command.first:gmatch('%d+') do
    local seats, whole = {}, true
    for place = number * size + 1, number * size + size do
      seats[#seats + 1] = command.seats[place]
      whole = whole and seat_of(match, command.seats[place]) == 'A'
    end
    -- all checked: write
    if whole then return make_hold(match, command, seats, amount) end
    number = number + 1
  end
  return 'none ' .. whole(match.version)
end
