//! Administration: the catalogue and the sale.

pub mod matches;
pub mod sale;
pub mod sites;
