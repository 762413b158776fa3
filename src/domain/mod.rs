//! The words of the glossary as types, and the rules about them, without any input or output.

pub mod account;
pub mod api_key;
pub mod best;
pub mod bill;
pub mod catalog;
pub mod check_in;
pub mod choosing;
pub mod claim;
pub mod draw;
pub mod fact;
pub mod free_seats;
pub mod ids;
pub mod model;
pub mod money;
mod on_request;
pub mod orphans;
pub mod plan;
pub mod position;
pub mod prices;
pub mod queue;
pub mod refund;
pub mod seat;
pub mod text;
pub mod trail;
