//! Administration: the catalogue and the sale.

pub mod sites;
pub mod matches;
pub mod sale;
