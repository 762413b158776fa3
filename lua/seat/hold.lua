-- hold, hold_best: AVAILABLE → HOLD for all seats of a choice, or for none.
-- id: the new hold; bill, when the match has a price list. hold: amount in KRW; named: how many
-- seats the buyer named, when the node proposes the others; orphans: the seats that must not be
-- left alone, when the match has that rule. hold_best: seats: choice after choice, the best first;
-- choice_size: seats of each; amounts: of each in KRW, by comma; bill: of each, with ';' between.
-- Replies: hold: held already_held already_reserved not_open pass_required cool_down one_hold
-- Replies: hold: seat_limit taken orphan none
-- Replies: hold_best: held not_open pass_required cool_down one_hold seat_limit none
local function has_pass(batch, match, user)
  local score = redis.call('ZSCORE', match.key.passes, user)
  if not score then return false end
  local kind, ends_at = pass_parse(score)
  local used = match.passes_used[user] and kind == PASS.BUYING
  return not used and ends_at > batch.now
end

local function refuse_buyer(batch, match, user, count)
  if match.status ~= MATCH.OPEN then return 'not_open ' .. match.status end
  if match.queue and not has_pass(batch, match, user) then return 'pass_required' end
  local ends = cool_down_end(batch, match, user)
  if ends then return 'cool_down ' .. whole(ends) .. ' ' .. batch.now_text end
  local open = match.one_hold and unpaid_claim(batch, match, user)
  if open then return 'one_hold ' .. open.state .. ' ' .. open.id end
  local most = batch.seats_per_user - count
  if seats_held(batch, match, user) <= most then return nil end
  if has_overdue(batch) and seats_held_now(batch, match, user) <= most then return nil end
  return 'seat_limit'
end

-- The number of the first seat from `first` to `last` that is not free, and the claim on it; or
-- nil. Most refusals come from seats that another user has, while no claim of the partition is
-- overdue. Then nobody needs that claim, and it is not read.
local function find_taken(batch, match, user, first, last)
  for number = first, last do
    local value = named_value(match, number)
    if value then
      if value:sub(2, 1 + ID_LAST) ~= user and not has_overdue(batch) then return number end
      local state, claim = state_of(batch, match, match.names[number], value)
      if state ~= SEAT.AVAILABLE then return number, claim end
    end
  end
end

-- Looks at the seats from `first` to `last`. Returns those that other users have, by comma, or nil;
-- then the first claim of this user on some of the seats, and the seats that it has.
local function taken_seats(batch, match, user, first, last)
  local number, claim = find_taken(batch, match, user, first, last)
  if not number then return nil end
  local others, own, own_seats = {}, nil, {}
  while number do
    if not claim or claim.user ~= user then
      others[#others + 1] = match.names[number]
    elseif not own or own == claim then
      own, own_seats[#own_seats + 1] = claim, match.names[number]
    end
    number, claim = find_taken(batch, match, user, number + 1, last)
  end
  return #others > 0 and table.concat(others, ',') or nil, own, table.concat(own_seats, ',')
end

-- The seats that this choice would leave alone, although another choice of as many seats side by
-- side would leave none. `orphans` has the seats that may be left alone, each as seat:near:beyond.
-- `near` is its neighbour that is not chosen, or `-`. `beyond` are the first seats behind the
-- chosen ones. When none of these is free, the seat is the last one left here, whatever is chosen.
local function seats_left_alone(batch, match, orphans)
  local left_alone = {}
  local function is_free(seat) return seat_state(batch, match, seat) == SEAT.AVAILABLE end
  for seat, near, beyond in orphans:gmatch('(%d+):([%d-]+):([%d+]+)') do
    if (near == '-' or not is_free(near)) and is_free(seat) then
      local another_choice = false
      for other in beyond:gmatch('%d+') do another_choice = another_choice or is_free(other) end
      if another_choice then left_alone[#left_alone + 1] = seat end
    end
  end
  return left_alone
end

commands.hold = function(batch, match, command)
  local user = batch.user_of[command]
  local amount, orphans = batch.arguments.amount[command], batch.arguments.orphans[command]
  local bill = batch.arguments.bill[command] or ''
  local count, first = batch.seat_count_of[command], batch.seats_before_of[command] + 1
  local last, proposed = first + count - 1, first + (batch.arguments.named[command] or count)
  local made = named_claim(batch, match, command)
  if made then return 'held ' .. record_text(made) end
  local others, own, own_seats = taken_seats(batch, match, user, first, proposed - 1)
  if own and not others then
    if own.state == CLAIM.HOLD then return 'already_held ' .. own.id .. ' ' .. own_seats end
    return 'already_reserved ' .. own.id .. ' ' .. own_seats
  end
  local refused = refuse_buyer(batch, match, user, count)
  if refused then return refused end
  if others then return 'taken ' .. others end
  if find_taken(batch, match, user, proposed, last) then return 'none ' .. whole(match.version) end
  if orphans then
    local left_alone = seats_left_alone(batch, match, orphans)
    if #left_alone > 0 then return 'orphan ' .. table.concat(left_alone, ',') end
  end
  -- all checked: write
  return 'held '
    .. make_claim(batch, match, command, CLAIM.HOLD, match.names, first, last, amount, bill)
end

-- Takes the first choice of which all seats are free.
commands.hold_best = function(batch, match, command)
  local user = batch.user_of[command]
  local amounts = batch.arguments.amounts[command]
  local size = batch.arguments.choice_size[command]
  local next_bill = (batch.arguments.bill[command] or ''):gmatch('[^;]+')
  local made = named_claim(batch, match, command)
  if made then return 'held ' .. record_text(made) end
  local refused = refuse_buyer(batch, match, user, size)
  if refused then return refused end
  local first = batch.seats_before_of[command] + 1
  for amount in amounts:gmatch('%d+') do
    local last, bill = first + size - 1, next_bill() or ''
    -- all checked: write
    if not find_taken(batch, match, user, first, last) then
      return 'held '
        .. make_claim(batch, match, command, CLAIM.HOLD, match.names, first, last, amount, bill)
    end
    first = last + 1
  end
  return 'none ' .. whole(match.version)
end
