-- The roles of PostgreSQL (docs/OPERATIONS.md, "Roles of PostgreSQL"). A superuser runs this once in
-- the database of Grandstand, and again after each `grandstand migrate`, with
--   psql --set ON_ERROR_STOP=1 --file scripts/postgres-roles.sql DATABASE
-- Then each role gets its password (`\password grandstand_api` in psql). It may run any number of times.

do $$
declare
  name text;
begin
  foreach name in array array['grandstand_migrate', 'grandstand_api', 'grandstand_worker', 'grandstand_ops']
  loop
    if not exists (select from pg_roles where rolname = name) then
      execute format('create role %I login nosuperuser nocreatedb nocreaterole noreplication', name);
    end if;
  end loop;
end $$;

-- A request only reads, and waits no longer than this. A statement of the worker is short, too. A
-- person or a migration may take longer.
alter role grandstand_api set statement_timeout = '2s';
alter role grandstand_api set lock_timeout = '500ms';
alter role grandstand_api set idle_in_transaction_session_timeout = '5s';
alter role grandstand_api set default_transaction_read_only = on;
alter role grandstand_worker set statement_timeout = '10s';
alter role grandstand_worker set lock_timeout = '5s';
alter role grandstand_worker set idle_in_transaction_session_timeout = '10s';
alter role grandstand_ops set statement_timeout = '10min';
alter role grandstand_ops set lock_timeout = '5s';
alter role grandstand_ops set idle_in_transaction_session_timeout = '1min';
alter role grandstand_migrate set lock_timeout = '60s';
alter role grandstand_migrate set idle_in_transaction_session_timeout = '1min';

revoke create on schema public from public;
grant usage, create on schema public to grandstand_migrate;
grant usage on schema public to grandstand_api, grandstand_worker, grandstand_ops;

-- What exists already belongs to the role of the migrations from now on.
do $$
declare
  found record;
begin
  for found in select tablename as name from pg_tables where schemaname = 'public'
  loop
    execute format('alter table public.%I owner to grandstand_migrate', found.name);
  end loop;
  for found in select oid::regprocedure as name from pg_proc
    where pronamespace = 'public'::regnamespace
  loop
    execute format('alter function %s owner to grandstand_migrate', found.name);
  end loop;
end $$;

-- Tables that exist, and those of later migrations.
grant select on all tables in schema public to grandstand_api;
grant select, insert, update, delete on all tables in schema public to grandstand_worker, grandstand_ops;
grant usage on all sequences in schema public to grandstand_worker, grandstand_ops;
alter default privileges for role grandstand_migrate in schema public
  grant select on tables to grandstand_api;
alter default privileges for role grandstand_migrate in schema public
  grant select, insert, update, delete on tables to grandstand_worker, grandstand_ops;
alter default privileges for role grandstand_migrate in schema public
  grant usage on sequences to grandstand_worker, grandstand_ops;

-- A request reads none of these: the hashes of passwords, and what only the worker knows.
do $$
declare
  name text;
begin
  foreach name in array
    array['accounts', 'dead_letters', 'blocked_seats', 'blocked_words', 'deleted_documents', 'refinery_schema_history']
  loop
    if to_regclass('public.' || name) is not null then
      execute format('revoke all on public.%I from grandstand_api', name);
    end if;
  end loop;
  -- The list of accounts for administrators has no hash of a password. The table may not have the
  -- columns of the next migration yet.
  if to_regclass('public.accounts') is not null then
    for name in
      select attname from pg_attribute
      where attrelid = 'public.accounts'::regclass and attname = any (array['id', 'version', 'email',
        'role', 'sites', 'disabled', 'email_verified', 'second_factor', 'api_key',
        'created_at'])
    loop
      execute format('grant select (%I) on accounts to grandstand_api', name);
    end loop;
  end if;
  -- Entries of the audit trail are only ever added.
  if to_regclass('public.trail') is not null then
    revoke update, delete on trail from grandstand_worker, grandstand_ops;
  end if;
  -- Only a migration writes the list of migrations.
  if to_regclass('public.refinery_schema_history') is not null then
    revoke insert, update, delete on refinery_schema_history from grandstand_worker, grandstand_ops;
  end if;
end $$;
