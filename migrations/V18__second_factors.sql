-- Accounts with a second factor. The column has the setup of the app, which is no secret: its secret
-- is made of it with a secret of the installation.
alter table accounts add column second_factor text not null default '';
