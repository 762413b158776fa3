-- archive: the record of a sale leaves Redis, because its match is archived and PostgreSQL has
-- both. Its seats leave with all seats of the match.
-- id: the sale.
-- Replies: archive: kept archived
commands.archive = function(batch, match, command)
  local claim = named_claim(batch, match, command)
  if not claim then return 'archived' end
  if match.status ~= MATCH.ARCHIVED or claim.state ~= CLAIM.CONFIRMED then return 'kept' end
  -- all checked: write
  remove_claim(batch, claim, seat_count(claim.seats))
  return 'archived'
end
