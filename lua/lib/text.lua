-- Numbers and lists of seats as text. A list of seats is text with commas, because most of them are
-- only stored and compared.

-- The most values that one call of Redis gets from `unpack`: Lua's stack takes fewer than 8,000. An
-- even number, because fields and values come in pairs.
local UNPACK_MAX = 6000

-- Writes a list of any length to one key. `size` is the number of its values.
local function write_many(command, key, list, size)
  for first = 1, size, UNPACK_MAX do
    redis.call(command, key, unpack(list, first, math.min(first + UNPACK_MAX - 1, size)))
  end
end

-- A whole number as text. Lua's own text has 14 digits at most.
local function whole(number)
  return string.format('%d', number)
end

local function split(text)
  local list, count = {}, 0
  for part in text:gmatch('[^,]+') do
    count = count + 1
    list[count] = part
  end
  return list
end

local function seat_set(text)
  local set = {}
  for seat in text:gmatch('[^,]+') do set[seat] = true end
  return set
end

local function seat_count(text)
  if not text:find(',', 1, true) then return 1 end
  local _, commas = text:gsub(',', '')
  return commas + 1
end

-- The list without the seats of a set.
local function seats_without(text, gone)
  local left = {}
  for seat in text:gmatch('[^,]+') do
    if not gone[seat] then left[#left + 1] = seat end
  end
  return table.concat(left, ',')
end

-- Two lists as one.
local function join_seats(first, second)
  if first == '' or second == '' then return first .. second end
  return first .. ',' .. second
end

-- Whether the list has a seat. It looks for the number between commas (44) and makes no new text,
-- because one batch may ask this for thousands of seats.
local function has_seat(text, seat)
  local from, to = text:find(seat, 1, true)
  while from do
    local after = text:byte(to + 1)
    if (from == 1 or text:byte(from - 1) == 44) and (not after or after == 44) then return true end
    from, to = text:find(seat, to + 1, true)
  end
  return false
end
