-- Two clocks. `redis_ms` is TIME, which may jump. Each partition has a clock of its own, which goes
-- on evenly when TIME jumps, and decides every deadline. The worker that owns the partition ticks
-- it: `clock_time` is TIME at the last tick, `clock_shift` the ms that are added to TIME, and below
-- `clock_floor` the clock never goes (docs/adr/0010-a-clock-per-partition.md).

-- How far the clock runs on after a tick. Longer than a lease, so that a change of the worker does
-- not stop it; and a jump of TIME that nobody has noticed yet ends a hold early by this at most.
local CLOCK_RUNS_MS = 10000

local function redis_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- What the hash of a partition says of its clock, and TIME; all fields are read once per call.
local function clock_read(key)
  local found = redis.call('HMGET', key, 'clock_time', 'clock_shift', 'clock_floor', 'layout',
    'halted')
  return {
    time = redis_ms(), ticked = tonumber(found[1]), shift = tonumber(found[2]) or 0,
    floor = tonumber(found[3]) or 0, layout = found[4], halted = found[5],
  }
end

-- The time of a partition in ms. Before the first tick it is TIME.
local function clock_now(clock)
  if not clock.ticked then return clock.time end
  local went = math.max(0, math.min(clock.time - clock.ticked, CLOCK_RUNS_MS))
  return math.max(clock.ticked + clock.shift + went, clock.floor)
end
