-- The one clock of all deadlines: Redis TIME in milliseconds, read once per call.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
