-- Which attempt a row speaks of: a later one may begin after an earlier one was withdrawn.
alter table payments add column attempt int not null default 0;

-- Money on its way back, and gone back. Numbers go up from 1; 0 is money that was taken for seats
-- that could not be given.
create table refunds (
    payment_id uuid not null,
    number     int not null,
    seats      int[] not null,
    amount     bigint not null check (amount >= 0),
    status     text not null check (status in ('BEGUN', 'DONE', 'REFUSED')),
    -- The gateway's code when it refused.
    code       text,
    begun_at   timestamptz not null,
    updated_at timestamptz not null,
    primary key (payment_id, number)
);
