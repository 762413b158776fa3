-- block, unblock: an administrator takes seats out of the sale and gives them back.
-- Replies: block: archived taken blocked
-- Replies: unblock: archived taken unblocked

-- Moves all seats from one state to another, or none. Seats that are there already stay.
local function change_all(batch, match, command, from, to, word)
  if match.status == MATCH.ARCHIVED then return 'archived' end
  local seats, others = seats_of(batch, match, command), {}
  for _, seat in ipairs(seats) do
    local state = seat_state(batch, match, seat)
    if state ~= from and state ~= to then others[#others + 1] = seat end
  end
  if #others > 0 then return 'taken ' .. table.concat(others, ',') end
  -- all checked: write
  next_version(match)
  local value = to ~= SEAT.AVAILABLE and to
  for _, seat in ipairs(seats) do
    if seat_state(batch, match, seat) == from then match.changed[seat] = value end
  end
  return reply_with_fact(batch, command, word, {
    't', 'seats_' .. word, 'match', match.id, 'seats', table.concat(seats, ','),
  })
end

commands.block = function(batch, match, command)
  return change_all(batch, match, command, SEAT.AVAILABLE, SEAT.BLOCKED, 'blocked')
end

commands.unblock = function(batch, match, command)
  return change_all(batch, match, command, SEAT.BLOCKED, SEAT.AVAILABLE, 'unblocked')
end
