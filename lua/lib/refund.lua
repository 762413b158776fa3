-- The terms of refunds: until when a buyer may cancel, and the fee. They are one text: the end in
-- ms (0: never), and behind it rows of a fee table, `;time:percent:KRW per seat`. A row counts
-- before its time. `src/domain/refund.rs` computes the same.

-- What these terms say now: the end, whether it has not come, and the row of the fee table. Behind
-- the last row, that row goes on: only an organiser can cancel then.
local function terms_now(terms, now)
  local ends, fee = tonumber(terms:match('^%d+')), { percent = 0, per_seat = 0 }
  for upto, percent, per_seat in terms:gmatch(';(%d+):(%d+):(%d+)') do
    fee.percent, fee.per_seat = tonumber(percent), tonumber(per_seat)
    if now < tonumber(upto) then break end
  end
  return ends, ends == 0 or now < ends, fee
end

-- The fees of a cancel now: the buyer has what was promised at the purchase, or what the match
-- offers now if that is better. Nil when it is too late for a buyer.
local function refund_fees(batch, match, claim, right)
  local open, all = {}, {}
  for _, terms in ipairs({ claim.terms, match.refund_terms or '' }) do
    if terms ~= '' then
      local _, is_open, fee = terms_now(terms, batch.now)
      all[#all + 1] = fee
      if is_open then open[#open + 1] = fee end
    end
  end
  if #open > 0 or #all == 0 then return open end
  if right == 'fan' then return nil end
  return all
end

-- The fee of seats by comma, in KRW: for each seat the smallest one. Nil when the prices are not
-- those of the claim, because the node then has an old plan.
local function fee_of(fees, seats, price_of, amount)
  local largest = 0
  for _, fee in ipairs(fees) do largest = math.max(largest, fee.percent, fee.per_seat) end
  if largest == 0 then return 0 end
  local sum, left = 0, tonumber(amount)
  for seat in seats:gmatch('[^,]+') do
    local price = price_of[seat]
    if not price then return nil end
    local least = price
    for _, fee in ipairs(fees) do
      least = math.min(least, math.floor(price * fee.percent / 100) + fee.per_seat)
    end
    sum, left = sum + least, left - price
  end
  return left == 0 and sum or nil
end
