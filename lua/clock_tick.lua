-- Moves the clock of a partition on, for the worker that owns it.
-- KEYS[1]  HASH  partition   KEYS[2]  STRING  lease
-- ARGV[1]  token of the lease
-- ARGV[2]  the time of the partition by the worker's own clock, in ms; 0: unknown
-- ARGV[3]  correction of a jump that this script has reported, in ms
-- ARGV[4]  greatest difference in ms that is no jump
-- Replies: not_loaded other jumped ticked
-- `ticked` has the time without the floor: after a jump the clock may stand at its floor, and a
-- worker that took the floor for the time would keep it ahead by that for minutes.
-- Cost: O(1)
local clock = clock_read(KEYS[1])
if not clock.layout then return { 'not_loaded', 0 } end
local owner = redis.call('GET', KEYS[2])
if owner and owner ~= ARGV[1] then return { 'other', 0 } end
local seen, correction = clock_now(clock), tonumber(ARGV[3])
local expected, time = tonumber(ARGV[2]), clock.time + clock.shift
if not clock.ticked or expected == 0 then
  -- Nobody can tell an outage from a jump, so the step of TIME is taken as real.
  correction = math.max(0, seen - time)
elseif math.abs(time + correction - expected) > tonumber(ARGV[4]) then
  return { 'jumped', time - expected }
end
-- Most calls only compare. One write a second is enough to stay within CLOCK_RUNS_MS.
local went = clock.time - (clock.ticked or 0)
if correction == 0 and went >= 0 and went < 1000 then return { 'ticked', time } end
-- all checked: write
-- The rest of an earlier correction shrinks by a hundredth of the time that passes, because TIME is
-- right in the end. No hold of five minutes becomes shorter by more than three seconds in this way.
local shift = clock.shift + correction
if correction == 0 and clock.ticked then
  local passed = math.max(0, math.min(went, CLOCK_RUNS_MS))
  local part = math.min(math.abs(shift), math.floor(passed / 100))
  shift = shift > 0 and shift - part or shift + part
end
redis.call('HSET', KEYS[1], 'clock_time', string.format('%d', clock.time),
  'clock_shift', string.format('%d', shift), 'clock_floor', string.format('%d', seen))
return { 'ticked', clock.time + shift }
