//! Tests of the whole system on real servers, one binary.

#[path = "../support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the cucumber binary")]
mod support;

mod model;
mod model_system;
mod purchase;
