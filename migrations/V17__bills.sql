-- What each seat of a sale cost, as `src/domain/bill.rs` writes it; the empty text when the seats cost
-- what the plan says, and for sales from before there were price lists.
alter table reservations add column bill text not null default '';
