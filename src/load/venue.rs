//! The matches and seats that the people want, as the API tells them.

use crate::domain::ids::SeatId;
use crate::domain::plan::{PlanIndex, SitePlan};
use crate::load::dice::Dice;
use crate::load::wire::{Connection, Place};
use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::ops::Range;

/// Seats that one person takes at most: the default of `GRANDSTAND_MAX_SEATS_PER_USER`.
pub const SEATS_PER_PERSON: usize = 4;

/// Where the people go.
pub struct Venue {
    /// Ids of open matches, all of one site.
    pub matches: Vec<String>,
    pub index: PlanIndex,
    /// Positions of the rows within the plan.
    rows: Vec<Range<u32>>,
}

impl Venue {
    /// Open matches of one site and its plan; `seats` keeps to the first so many of it.
    pub async fn visit(
        place: &Place,
        matches: usize,
        seats: Option<usize>,
    ) -> anyhow::Result<Self> {
        let mut connection = Connection::new(place.clone());
        let list = get(&mut connection, "/api/matches?status=OPEN&limit=100").await?;
        let list = list["matches"].as_array().cloned().unwrap_or_default();
        let site = list.first().context("no match is on sale: `grandstand demo` makes some")?;
        let site = site["siteId"].as_str().context("a match without a site")?.to_owned();
        let open = list.iter().filter(|one| one["siteId"] == site.as_str());
        let ids = open.filter_map(|one| one["id"].as_str()).map(str::to_owned);
        let ids: Vec<String> = ids.take(matches).collect();
        ensure!(ids.len() == matches, "only {} matches of one site are on sale", ids.len());
        let mut plan = get(&mut connection, &format!("/api/sites/{site}")).await?;
        if let Some(fields) = plan.as_object_mut() {
            fields.remove("id");
            fields.remove("version");
        }
        let plan: SitePlan = serde_json::from_value(plan).context("the plan of the site")?;
        let index = PlanIndex::new(&plan);
        let most = seats.map_or(index.seat_count(), |seats| seats as u32);
        let rows = index.rows().map(|(_, _, positions)| positions);
        let rows = rows.map(|row| row.start..row.end.min(most)).filter(|row| !row.is_empty());
        Ok(Self { matches: ids, rows: rows.collect(), index })
    }

    /// One to four neighbours of a random row.
    pub fn pick(&self, dice: &mut Dice) -> Vec<SeatId> {
        let row = &self.rows[dice.below(self.rows.len())];
        let count = (1 + dice.below(SEATS_PER_PERSON)).min(row.len());
        let first = row.start + dice.below(row.len() - count + 1) as u32;
        (first..first + count as u32).map(|position| self.index.seat_at(position)).collect()
    }

    /// All seats, row by row, in groups of neighbours of at most `size`: nobody meets anybody.
    pub fn groups(&self, size: usize) -> Vec<Vec<SeatId>> {
        let of_row = |row: &Range<u32>| {
            let seats: Vec<SeatId> = row.clone().map(|at| self.index.seat_at(at)).collect();
            seats.chunks(size).map(<[SeatId]>::to_vec).collect::<Vec<_>>()
        };
        self.rows.iter().flat_map(of_row).collect()
    }

    /// The seats nearest to where everybody looks, the best first.
    pub fn best(&self, count: usize) -> Vec<SeatId> {
        let focus = self.index.focus();
        let mut seats: Vec<(f32, SeatId)> = (0..self.index.seat_count())
            .map(|position| {
                let seat = self.index.seat_at(position);
                let [x, y] = self.index.point(seat).unwrap_or(focus);
                ((x - focus[0]).hypot(y - focus[1]), seat)
            })
            .collect();
        seats.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        seats.into_iter().take(count).map(|(_, seat)| seat).collect()
    }
}

/// The states of all seats of a match, one letter each, in plan order.
pub async fn map_of(place: &Place, match_id: &str) -> anyhow::Result<(u64, Vec<u8>)> {
    let mut connection = Connection::new(place.clone());
    let data = get(&mut connection, &format!("/api/matches/{match_id}/seats")).await?;
    let version = data["version"].as_u64().context("a map without a version")?;
    Ok((version, letters(&data)))
}

/// The letters of a snapshot, block by block.
pub fn letters(snapshot: &Value) -> Vec<u8> {
    let blocks = snapshot["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let states = blocks.iter().filter_map(|block| block["states"].as_str());
    states.flat_map(str::bytes).collect()
}

async fn get(connection: &mut Connection, path: &str) -> anyhow::Result<Value> {
    let answer = connection.call("GET", path, None, None).await?;
    ensure!(answer.status == 200, "GET {path} answered {}", answer.status);
    let mut body: Value = serde_json::from_slice(&answer.body)?;
    Ok(body["data"].take())
}
