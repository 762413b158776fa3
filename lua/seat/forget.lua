-- forget: the conduct of a user in a match is old, and leaves their field.
-- Replies: forget: kept forgotten
commands.forget = function(batch, match, command)
  local user = batch.user_of[command]
  -- A claim that nobody has looked at since its deadline counts first. Otherwise it would depend on
  -- the order of looking whether the earlier ends are forgotten before it.
  if has_overdue(batch) then seats_held_now(batch, match, user) end
  local entry = conduct_take(batch, match.id, user)
  if not conduct_is_old(entry, batch.now) then return 'kept' end
  -- all checked: write
  conduct_forget(batch, match.id, user)
  return 'forgotten'
end
