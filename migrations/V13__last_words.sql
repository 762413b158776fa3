-- What was said last of a seat that an administrator blocks or gives back, and of a site or match
-- that is deleted. A dead letter may be replayed long after that, and must not win over it.
create table blocked_words (
    match_id uuid not null,
    seat_id  int not null,
    -- Epoch and the two numbers of the journal id.
    place    bigint[] not null,
    primary key (match_id, seat_id)
);

-- Nothing comes back under the id of something that was deleted.
create table deleted_documents (id uuid primary key);
