-- Money of a claim: how far its payment has come. One text behind the record (and in facts), joined
-- by ';': attempt (each begin raises it), number of the last refund, what that one gives back in
-- KRW, its seats by comma, given back before in KRW, those seats. domain/money.rs reads it too.
local function money_of(claim)
  local field = {}
  for part in (claim.more .. ';'):gmatch('([^;]*);') do field[#field + 1] = part end
  return {
    attempt = tonumber(field[1]) or 0, refund = tonumber(field[2]) or 0, part = field[3] or '0',
    part_seats = field[4] or '', back = field[5] or '0', back_seats = field[6] or '',
  }
end

local function money_write(claim, money)
  claim_changed(claim)
  claim.more = whole(money.attempt)
  if money.refund > 0 then
    claim.more = table.concat({
      claim.more, whole(money.refund), money.part, money.part_seats, money.back, money.back_seats,
    }, ';')
  end
end

-- What a caller knows of a payment whose reservation may be gone, as if it were its claim.
-- second: amount, method, payment key and money by '|'; seats: those that were paid for.
local function claim_told(match, command)
  local amount, method, key, more = second_of[command]:match('^(%d+)|([^|]*)|([^|]*)|([^|]*)$')
  return {
    payment = source_of[command], id = id_of[command], match = match.id, user = user_of[command],
    seats = table.concat(seats_of(match, command), ','), amount = amount, method = method,
    payment_key = key, more = more, version = match.version,
  }
end

local function payment_fact(command, reply, kind, claim, code)
  local fields = {
    't', kind, 'payment', claim.payment, 'reservation', claim.id, 'match', claim.match,
    'user', claim.user, 'seats', claim.seats, 'amount', claim.amount,
    'method', claim.method, 'key', claim.payment_key,
    'version', whole(claim.version), 'at', whole(book.now), 'money', claim.more,
  }
  if code then
    fields[#fields + 1] = 'code'
    fields[#fields + 1] = code
  end
  return fact(command, reply, fields)
end
