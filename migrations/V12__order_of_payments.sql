-- The order of the steps of a payment is that of the journal and not of a clock, because a clock may
-- be set back. A place is an epoch and the two numbers of a journal id, compared from the left; an
-- empty one, of a row that an older release has written, comes before all others.
alter table payments
    -- The place of the step that made the row what it is.
    add column last_place bigint[] not null default '{}',
    -- The place of the begin of the payment: the newest payment of a reservation is the last begun.
    add column begun_place bigint[] not null default '{}',
    -- When the row was written, by the clock of PostgreSQL: the reconciler goes by its age.
    add column written_at timestamptz not null default now();

drop index payments_unsettled;
create index payments_unsettled on payments (written_at)
    where status in ('IN_PROGRESS', 'LOST') or refunding;
