-- The bill of a claim: what each seat costs. It is one text, `seat:cost:type` by comma. The part of
-- the cost that is the service fee may follow the type. A bill is made at the hold and never
-- changes, so it may have lines of seats that have left the claim. It is empty when the seats cost
-- what the plan says. `src/domain/bill.rs` writes the same form.

-- The line of a seat and its cost in KRW; nil when the bill does not have it.
local function bill_line(bill, seat)
  if bill == '' then return nil end
  local line, cost = (',' .. bill):match(',(' .. seat .. ':(%d+):[^,]*)')
  return line, tonumber(cost)
end
