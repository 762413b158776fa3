//! Administration: the catalogue and the sale.

pub mod accounts;
pub mod api_keys;
pub mod check_ins;
pub mod match_change;
pub mod matches;
pub mod plan_import;
pub mod prices;
pub mod queue;
pub mod reservations;
pub mod sale;
pub mod sites;
pub mod trail;
