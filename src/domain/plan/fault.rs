//! A fault of a site plan.

use serde::Serialize;
use utoipa::ToSchema;

/// What is wrong with a plan, at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlanFault {
    /// JSON pointer of the place: `/areas/0/sections/1/blocks/3/rows/2`.
    pub pointer: String,
    /// What is wrong, and what to do about it.
    pub message: String,
}
