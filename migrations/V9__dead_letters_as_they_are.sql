-- jsonb refuses a text with a NUL in it, and such an entry must find its place here as well.
alter table dead_letters alter column fields type json using fields::json;
