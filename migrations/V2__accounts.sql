create table accounts (
    id            uuid primary key,
    email         text not null unique,
    password_hash text not null,
    role          text not null check (role in ('USER', 'ADMIN')),
    created_at    timestamptz not null
);
