-- The fence in front of what one worker alone may write: a worker that was paused, cut off or slow
-- does not have the lease any more, and must not write into what another has loaded since.
local function fenced(lease, token)
  return redis.call('GET', lease) ~= token
end
