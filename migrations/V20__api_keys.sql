-- API keys are accounts of programs. The column has the name of a key, its hash, its scopes and its
-- end; it is null for people.
alter table accounts add column api_key jsonb;
create index accounts_of_programs on accounts (id) where api_key is not null;
