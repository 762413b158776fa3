-- The documents of the catalogue, whole: Redis and the nodes read them, PostgreSQL only keeps them.
create table sites (
    id       uuid primary key,
    version  bigint not null,
    document jsonb not null
);

create table matches (
    id       uuid primary key,
    site_id  uuid not null,
    version  bigint not null,
    document jsonb not null
);
