//! What must remain of claims that lose some of their seats. A node knows the rules of the plan,
//! and only Redis knows the seats of a claim. So a node checks what would remain of the claims that
//! it has read, and the script refuses when these claims have changed since.

use crate::domain::ids::SeatId;
use crate::domain::seat::join_seats;

/// The seats that remain of each claim, in the order in which the call names seats of these claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains(pub Vec<Vec<SeatId>>);

impl Remains {
    /// As the scripts compare it: seats by comma, claims by `;`.
    pub(super) fn text(&self) -> String {
        let claims: Vec<String> = self.0.iter().map(|seats| join_seats(seats)).collect();
        claims.join(";")
    }
}
