-- Reservations whose payment has begun. The ones before that live in Redis alone.
create table reservations (
    id         uuid primary key,
    match_id   uuid not null,
    user_id    uuid not null,
    status     text not null check (status in ('PENDING', 'PAYING', 'CONFIRMED', 'CANCELLED')),
    seats      int[] not null,
    amount     bigint not null check (amount >= 0),
    version    bigint not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);

create index reservations_of_user on reservations (user_id, created_at desc);
create index reservations_of_match on reservations (match_id) where status in ('PAYING', 'CONFIRMED');
