-- Seats that an administrator took out of the sale.
create table blocked_seats (
    match_id uuid not null,
    seat_id  int not null,
    primary key (match_id, seat_id)
);
