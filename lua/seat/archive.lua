-- archive: the record of a sale leaves Redis, because its match is archived and PostgreSQL has
-- both. Its seats leave with all seats of the match.
-- Replies: archive: kept archived
commands.archive = function(match, command, claims)
  local claim = claim_of(match, claims, id_of[command])
  if not claim then return 'archived' end
  if match.status ~= 'ARCHIVED' or claim.state ~= 'C' then return 'kept' end
  -- all checked: write
  claim.over = true
  user_changed(claim.user)
  return 'archived'
end
