create table payments (
    id             uuid primary key,
    reservation_id uuid not null,
    order_id       text not null unique,
    payment_key    text not null,
    method         text not null,
    amount         bigint not null check (amount >= 0),
    status         text not null
        check (status in ('IN_PROGRESS', 'LOST', 'PAID', 'FAILED', 'WITHDRAWN', 'REFUNDED')),
    -- The gateway's code when it refused.
    code           text,
    -- The money is on its way back.
    refunding      boolean not null default false,
    begun_at       timestamptz not null,
    updated_at     timestamptz not null
);

create index payments_of_reservation on payments (reservation_id);
-- What the reconciler starts from.
create index payments_unsettled on payments (updated_at)
    where status in ('IN_PROGRESS', 'LOST') or refunding;
