//! Grandstand: a seat engine for ticket sales.
pub mod demo;
pub mod domain;
pub mod embedded;
pub mod gateway;
pub mod load;
