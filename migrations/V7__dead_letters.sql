-- Journal entries that PostgreSQL refused, with the reason; they never block the rest.
create table dead_letters (
    partition  int not null,
    epoch      bigint not null,
    journal_id text not null,
    fields     jsonb not null,
    reason     text not null,
    at         timestamptz not null default now(),
    primary key (partition, epoch, journal_id)
);
