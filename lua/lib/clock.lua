-- Two clocks. `redis_ms` is TIME, which may jump. Each partition has a clock of its own, which runs
-- evenly when TIME jumps, and decides every deadline. The worker that owns the partition ticks it:
-- `clock_time` is TIME at the last tick, `clock_shift` is added to TIME, and the clock never goes
-- below `clock_floor`; all are in ms (docs/adr/0010-a-clock-per-partition.md).

-- How far the clock runs on after a tick. It is longer than a lease, so that a change of the worker
-- does not stop the clock. A jump of TIME that no worker has noticed yet can end a hold early by
-- this time at most.
local CLOCK_RUNS_MS = 10000

local function redis_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Reads the clock of a partition from its hash, and TIME. A call reads all fields once.
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
