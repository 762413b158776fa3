-- The commands of a batch, column by column: a command is its number, and a column says what it is
-- of it. The `count_of` seats of a command stand in the list of its match behind place `from_of`.
-- The columns from `first_of` on have nothing where a command has nothing there.
local commands = {}
local words = cmsgpack.unpack(ARGV[5 + tonumber(ARGV[4])])
local name_of, match_of, id_of, user_of, count_of, from_of = unpack(words, 1, 6)
local first_of, second_of, source_of, operation_of, fingerprint_of = unpack(words, 7, 11)
