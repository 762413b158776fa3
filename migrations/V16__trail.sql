-- The audit trail: entries are only ever added.
create table trail (
    number  bigint generated always as identity primary key,
    id      uuid not null unique,
    at      timestamptz not null,
    actor   uuid,
    role    text,
    address text not null,
    act     text not null,
    target  text not null,
    before  jsonb,
    after   jsonb
);
create index trail_actor on trail (actor, number);
create index trail_target on trail (target, number);

create function trail_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the audit trail is append-only';
end $$;
create trigger trail_is_append_only before update or delete or truncate on trail
    for each statement execute function trail_is_append_only();
