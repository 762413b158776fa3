-- The passes of a waiting room, as the commands of a batch change them.

-- Whether the user has a claim in this match that has not ended.
local function has_claim(batch, match, user)
  records_in(batch, user)
  local summary = batch.summaries[user]
  if summary then return summary_seats(summary, match.id) > 0 end
  for _, claim in ipairs(claims_in(batch, user) or {}) do
    if not claim.over and claim.match == match.id then return true end
  end
  return false
end

-- Buyers with seats count otherwise than buyers without (lua/queue_admit.lua). The first hold also
-- picks an admission up, and so begins the pass.
local function write_passes(batch, match)
  local scores, used = {}, {}
  for user in pairs(match.passes_used) do used[#used + 1] = user end
  for user in pairs(match.buyers) do
    local score = not match.passes_used[user] and redis.call('ZSCORE', match.key.passes, user)
    local kind, ends_at = PASS.ADMITTED, 0
    if score then kind, ends_at = pass_parse(score) end
    local buys = has_claim(batch, match, user)
    if ends_at > batch.now and buys ~= (kind == PASS.BUYING) then
      if kind == PASS.ADMITTED then ends_at = batch.now + match.pass_ttl end
      scores[#scores + 1] = pass_score(buys and PASS.BUYING or PASS.CHOOSING, ends_at)
      scores[#scores + 1] = user
    end
  end
  if #scores > 0 then redis.call('ZADD', match.key.passes, unpack(scores)) end
  if #used > 0 then redis.call('ZREM', match.key.passes, unpack(used)) end
end
