-- The commands of a batch, column by column: a command is its number, and a column says what it is
-- of it. The columns from `first_of` on have nothing where a command has nothing there.
local commands = {}
local words = cmsgpack.unpack(ARGV[5 + tonumber(ARGV[4])])
local name_of, match_of, id_of, user_of, count_of = unpack(words, 1, 5)
local first_of, second_of, source_of, operation_of, fingerprint_of = unpack(words, 6, 10)
-- Behind which place in the list of seats of its match those of a command stand.
local from_of = {}
