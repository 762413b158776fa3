-- The terms of refunds that a sale was made under, as `src/domain/refund.rs` writes them; the empty
-- text for sales from before there were terms.
alter table reservations add column refund_terms text not null default '';

-- What the organiser keeps of the price of the seats. `amount` is what goes back.
alter table refunds add column fee bigint not null default 0 check (fee >= 0);
