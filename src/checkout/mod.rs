//! The steps of money that the API and the worker share.

pub mod settle;
