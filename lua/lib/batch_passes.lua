-- The passes of a waiting room, as the commands of a batch change them.

-- Whether a claim in this field has seats of this match that are not paid yet. It ends no claim,
-- because the claims of the batch are written by now.
local function has_unpaid_in_field(batch, match, field)
  for _, claim in ipairs(claims_in(batch, field) or {}) do
    local paid = claim.state == CLAIM.CONFIRMED or claim.state == CLAIM.REFUNDING
    if not claim.over and not paid and claim.match == match.id then return true end
  end
  return false
end

-- Whether the user has seats in this match that are not paid yet. A summary does not know what is
-- paid. So all claims are read, which only happens for users who have a pass and several claims.
local function has_unpaid(batch, match, user)
  if has_unpaid_in_field(batch, match, user) then return true end
  local summary = batch.summaries[user]
  if not summary or summary_seats(summary, match.id) <= 0 then return false end
  for _, field in ipairs(fields_of_user(batch, user)) do
    if has_unpaid_in_field(batch, match, field) then return true end
  end
  return false
end

-- Buyers with seats count otherwise than buyers without (lua/queue_admit.lua). The first hold also
-- picks an admission up, and so begins the pass. A purchase ends the pass under which its seats
-- were held. That pass is BUYING. A user who has left the room since and was let in again has
-- another pass, which stays.
local function write_passes(batch, match)
  local scores, used = {}, {}
  for user in pairs(match.buyers) do
    local score = redis.call('ZSCORE', match.key.passes, user)
    local kind, ends_at = PASS.ADMITTED, 0
    if score then kind, ends_at = pass_parse(score) end
    if match.passes_used[user] and kind == PASS.BUYING then
      used[#used + 1] = user
    elseif ends_at > batch.now then
      local buys = has_unpaid(batch, match, user)
      if buys ~= (kind == PASS.BUYING) then
        if kind == PASS.ADMITTED then ends_at = batch.now + match.pass_ttl end
        scores[#scores + 1] = pass_score(buys and PASS.BUYING or PASS.CHOOSING, ends_at)
        scores[#scores + 1] = user
      end
    end
  end
  write_many('ZADD', match.key.passes, scores, #scores)
  write_many('ZREM', match.key.passes, used, #used)
end
