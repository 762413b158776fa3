-- The time of a partition.
-- KEYS[1]  HASH  partition
-- Replies with the time in ms, the time of the last tick, and 1 unless TIME has jumped since, or
-- the clock stands at its floor after a jump.
-- Replies: ,
-- Cost: O(1)
local clock = clock_read(KEYS[1])
local went = clock.time - (clock.ticked or clock.time)
local sound = went >= 0 and went <= CLOCK_RUNS_MS
  and (clock.ticked or clock.time) + clock.shift + went >= clock.floor
return { clock_now(clock), (clock.ticked or 0) + clock.shift, sound and 1 or 0 }
