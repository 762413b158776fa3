-- Accounts change: roles of some sites, accounts that are disabled, addresses that are verified.
-- Each change raises the version, so that a late fact does not undo a newer one.
alter table accounts
    add column version        bigint not null default 1,
    add column sites          uuid[] not null default '{}',
    add column disabled       boolean not null default false,
    add column email_verified boolean not null default false;

alter table accounts drop constraint accounts_role_check;
alter table accounts add constraint accounts_role_check
    check (role in ('USER', 'ADMIN', 'ORGANISER', 'BOX_OFFICE', 'SUPPORT'));

-- The administrators are counted before one of them loses the role.
create index accounts_administrators on accounts (id) where role = 'ADMIN';
