-- Where the write-behind worker stands in the journal of each partition. The position moves in the
-- same transaction as the effects, so an entry has its effect exactly once.
create table partitions (
    number      int primary key,
    epoch       bigint not null,
    journal_ms  bigint not null default 0,
    journal_seq bigint not null default 0,
    updated_at  timestamptz not null default now()
);

-- The number of partitions is fixed at first start; a different one is refused.
create table installation (
    one         boolean primary key default true check (one),
    partitions  int not null,
    created_at  timestamptz not null default now()
);
