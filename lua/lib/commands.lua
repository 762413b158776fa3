-- The call of a batch: keys and arguments, and of these the commands, column by column: a command
-- is its number, and a column says what it is of it. The `count_of` seats of a command stand in the
-- list of its match behind place `from_of`. The columns from `first_of` on have nothing where a
-- command has nothing there.
local commands, KEYS, ARGV, words = {}, nil, nil, nil
local name_of, match_of, id_of, user_of, count_of, from_of
local first_of, second_of, source_of, operation_of, fingerprint_of

-- Values one behind the other cost less than a list of them: a batch is never so large that Lua's
-- stack would not take them.
local function column(place)
  return { cmsgpack.unpack(ARGV[place]) }
end

local function commands_read(keys, arguments)
  KEYS, ARGV = keys, arguments
  local before = 4 + tonumber(ARGV[4])
  name_of, match_of = column(before + 1), column(before + 2)
  id_of, user_of = column(before + 3), column(before + 4)
  count_of, from_of = column(before + 5), column(before + 6)
  words = cmsgpack.unpack(ARGV[before + 7])
  first_of, second_of, source_of, operation_of, fingerprint_of = unpack(words, 1, 5)
end
