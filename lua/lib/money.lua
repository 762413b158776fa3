-- How far the payment of a claim has come. It is one text at the end of the record (and in facts),
-- with ';' between its fields: attempt (each begin raises it), number of the last refund, amount of
-- that refund in KRW, its seats by comma, amount of all earlier refunds in KRW, their seats, fee of
-- the last refund, fees of all earlier ones. An amount is what goes back: with the fee it is what
-- the seats have cost. The fees are missing when there were none.
-- `src/domain/money.rs` reads the same form.
local function money_of(claim)
  local field = {}
  for part in (claim.money .. ';'):gmatch('([^;]*);') do field[#field + 1] = part end
  return {
    attempt = tonumber(field[1]) or 0, refund = tonumber(field[2]) or 0, part = field[3] or '0',
    part_seats = field[4] or '', back = field[5] or '0', back_seats = field[6] or '',
    part_fee = field[7] or '0', back_fees = field[8] or '0',
  }
end

local function money_text(money)
  if money.refund == 0 then return whole(money.attempt) end
  local text = table.concat({
    whole(money.attempt), whole(money.refund), money.part, money.part_seats, money.back,
    money.back_seats,
  }, ';')
  if money.part_fee == '0' and money.back_fees == '0' then return text end
  return text .. ';' .. money.part_fee .. ';' .. money.back_fees
end

-- What was charged for a claim, in KRW. Refunds do not change it.
local function charged_for(claim, money)
  return whole(claim.amount + money.back + money.back_fees)
end

local function set_money(batch, claim, money)
  claim_changed(batch, claim)
  claim.money = money_text(money)
end

-- The claim as the arguments of a command describe it, because Redis may not have the reservation
-- of the payment any more.
local function claim_from_arguments(batch, match, command)
  local arguments = batch.arguments
  return {
    id = batch.id_of[command], user = batch.user_of[command], match = match.id,
    seats = table.concat(seats_of(batch, match, command), ','),
    payment = arguments.payment[command], amount = arguments.amount[command],
    method = arguments.method[command], payment_key = arguments.payment_key[command],
    money = arguments.money[command], version = match.version, terms = '', bill = '',
  }
end
