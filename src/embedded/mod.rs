//! A private Redis and a private PostgreSQL as child processes, for `dev` and for the tests.
