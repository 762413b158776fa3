-- The partition that an id carries: the 12 bits behind the version of the UUID (src/domain/ids.rs).
-- A rebuild reads one partition at a time.
create function partition_of(id uuid) returns int
    language sql immutable strict parallel safe
    return (get_byte(uuid_send(id), 6) & 15) * 256 + get_byte(uuid_send(id), 7);

create index accounts_of_partition on accounts (partition_of(id));
