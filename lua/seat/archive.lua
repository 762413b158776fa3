-- archive: the record of a sale leaves Redis, because its match is archived and PostgreSQL has
-- both. Its seats leave with all seats of the match.
-- id: the sale.
-- Replies: archive: kept archived
commands.archive = function(batch, match, command, claims)
  local claim = find_claim(batch, match, claims, batch.id_of[command])
  if not claim then return 'archived' end
  if match.status ~= MATCH.ARCHIVED or claim.state ~= CLAIM.CONFIRMED then return 'kept' end
  -- all checked: write
  claim.over = true
  user_changed(batch, claim.user)
  return 'archived'
end
