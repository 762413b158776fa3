-- The last word on a sale: a seat of a match is claimed or sold once. Written before money moves.
create table claims (
    match_id       uuid not null,
    seat_id        int not null,
    reservation_id uuid not null,
    primary key (match_id, seat_id)
);

create index claims_of_reservation on claims (reservation_id);
