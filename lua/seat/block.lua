-- block, unblock: an administrator takes seats out of the sale and gives them back.
-- Replies: block: archived taken blocked
-- Replies: unblock: archived taken unblocked
local function change_all(match, command, from, value, word)
  if match.status == 'ARCHIVED' then return 'archived' end
  local seats, lost = seats_of(match, command), {}
  for _, seat in ipairs(seats) do
    local state = seat_of(match, seat)
    if state ~= from and state ~= (value and 'B' or 'A') then lost[#lost + 1] = seat end
  end
  if #lost > 0 then return 'taken ' .. table.concat(lost, ',') end
  -- all checked: write
  next_version(match)
  for _, seat in ipairs(seats) do
    if seat_of(match, seat) == from then match.seat[seat] = value end
  end
  return fact(command, word, {
    't', 'seats_' .. word, 'match', match.id, 'seats', table.concat(seats, ','),
  })
end

commands.block = function(match, command)
  return change_all(match, command, 'A', 'B', 'blocked')
end

commands.unblock = function(match, command)
  return change_all(match, command, 'B', false, 'unblocked')
end
