-- Protects what only the owner of a partition may write. A worker that was paused, cut off or slow
-- does not have the lease any more, and must not write into a partition that another worker has
-- loaded since.
local function fenced(lease, token)
  return redis.call('GET', lease) ~= token
end
