//! The matches and seats that the people want, read from the API.

use crate::dice::Dice;
use crate::wire::{Connection, Method, ServerAddress};
use anyhow::{Context as _, ensure};
use grandstand::domain::ids::SeatId;
use grandstand::domain::plan::{PlanIndex, SitePlan};
use serde::Deserialize;
use serde_json::Value;
use std::ops::Range;
use std::time::Duration;

/// The largest number of seats of a person: the default of `GRANDSTAND_MAX_SEATS_PER_USER`.
pub(crate) const PERSON_SEATS_MAX: usize = 4;

/// The matches and the plan of their site.
pub(crate) struct Venue {
    /// Ids of open matches, all of the same site.
    pub(crate) matches: Vec<String>,
    /// The id of the site.
    pub(crate) site: String,
    /// Whether the waiting room of the first match is on.
    pub(crate) queue: bool,
    pub(crate) rules: Rules,
    pub(crate) index: PlanIndex,
    /// The rows, as ranges of positions in the plan.
    rows: Vec<Range<u32>>,
}

/// The rules of a match.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Seats that one person may have, held and bought together.
    pub(crate) seats_per_user: usize,
    pub(crate) hold_ttl: Duration,
}

/// A match of the list, with the fields that the tests need.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    id: String,
    site_id: String,
    status: String,
    queue: Queue,
    max_seats_per_user: usize,
    hold_ttl_ms: u64,
}

#[derive(Debug, Deserialize)]
struct Queue {
    enabled: bool,
}

impl Venue {
    /// Reads open matches of one site, and its plan. `seats` limits the venue to the first seats of
    /// the plan. With an id, the first match is this one.
    pub(crate) async fn visit(
        server: &ServerAddress,
        id: Option<uuid::Uuid>,
        matches: usize,
        seats: Option<usize>,
    ) -> anyhow::Result<Self> {
        let mut connection = Connection::new(server.clone());
        let mut list: Vec<Listed> = Vec::new();
        if let Some(id) = id {
            let path = format!("/api/matches/{id}");
            let named = get(&mut connection, &path).await;
            list.push(serde_json::from_value(named.with_context(|| format!("the match {id}"))?)?);
        }
        let open = get(&mut connection, "/api/matches?status=OPEN&limit=100").await?;
        let open: Vec<Listed> = serde_json::from_value(open["matches"].clone())?;
        let is_other = |fixture: &Listed| Some(&fixture.id) != list.first().map(|first| &first.id);
        let others: Vec<Listed> = open.into_iter().filter(is_other).collect();
        list.extend(others);
        let first = list.first().context("no match is on sale: `grandstand demo` creates some")?;
        ensure!(first.status == "OPEN", "the match {} is {}, not OPEN", first.id, first.status);
        let (site, queue) = (first.site_id.clone(), first.queue.enabled);
        let rules = Rules {
            seats_per_user: first.max_seats_per_user,
            hold_ttl: Duration::from_millis(first.hold_ttl_ms),
        };
        let ids = list.iter().filter(|fixture| fixture.site_id == site);
        let ids: Vec<String> = ids.map(|fixture| fixture.id.clone()).take(matches).collect();
        ensure!(ids.len() == matches, "only {} matches of one site are on sale", ids.len());
        let mut plan = get(&mut connection, &format!("/api/sites/{site}")).await?;
        if let Some(fields) = plan.as_object_mut() {
            fields.remove("id");
            fields.remove("version");
        }
        let plan: SitePlan = serde_json::from_value(plan).context("the plan of the site")?;
        let index = PlanIndex::new(&plan);
        let end = seats.map_or(index.seat_count(), |seats| seats as u32);
        let rows = index.groups().map(|group| group.positions);
        let rows = rows.map(|row| row.start..row.end.min(end)).filter(|row| !row.is_empty());
        Ok(Self { matches: ids, site, queue, rules, rows: rows.collect(), index })
    }

    /// Returns one to four neighbouring seats of a random row.
    pub(crate) fn pick(&self, dice: &mut Dice) -> Vec<SeatId> {
        let row = &self.rows[dice.below(self.rows.len())];
        let count = (1 + dice.below(PERSON_SEATS_MAX)).min(row.len());
        let first = row.start + dice.below(row.len() - count + 1) as u32;
        (first..first + count as u32).map(|position| self.index.seat_at(position)).collect()
    }

    /// Returns all seats, row by row, in groups of at most `size` neighbours. No two groups share a
    /// seat.
    pub(crate) fn groups(&self, size: usize) -> Vec<Vec<SeatId>> {
        let of_row = |row: &Range<u32>| {
            let seats: Vec<SeatId> = row.clone().map(|at| self.index.seat_at(at)).collect();
            seats.chunks(size).map(<[SeatId]>::to_vec).collect::<Vec<_>>()
        };
        self.rows.iter().flat_map(of_row).collect()
    }

    /// Returns the seats of the row in which the best seat is.
    pub(crate) fn best_row(&self) -> Vec<SeatId> {
        let best = self.best(1).first().and_then(|seat| self.index.position(*seat));
        let mut rows = self.index.groups().map(|group| group.positions);
        let row = rows.find(|row| best.is_some_and(|best| row.contains(&best)));
        row.unwrap_or(0..0).map(|position| self.index.seat_at(position)).collect()
    }

    /// Returns the seats that are nearest to the focus of the plan, the best first.
    pub(crate) fn best(&self, count: usize) -> Vec<SeatId> {
        let focus = self.index.focus();
        let mut seats: Vec<(f32, SeatId)> = (0..self.index.seat_count())
            .map(|position| {
                let seat = self.index.seat_at(position);
                let [x, y] = self.index.point(seat).unwrap_or(focus);
                ((x - focus[0]).hypot(y - focus[1]), seat)
            })
            .collect();
        seats.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
        seats.into_iter().take(count).map(|(_, seat)| seat).collect()
    }
}

/// Returns the version of a map and the states of all seats: a letter for each, in plan order.
pub(crate) async fn map_of(
    server: &ServerAddress,
    match_id: &str,
) -> anyhow::Result<(u64, Vec<u8>)> {
    let mut connection = Connection::new(server.clone());
    let data = get(&mut connection, &format!("/api/matches/{match_id}/seats")).await?;
    let version = data["version"].as_u64().context("a map without a version")?;
    Ok((version, letters(&data)))
}

/// Returns the letters of a snapshot, block by block.
pub(crate) fn letters(snapshot: &Value) -> Vec<u8> {
    let blocks = snapshot["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let states = blocks.iter().filter_map(|block| block["states"].as_str());
    states.flat_map(str::bytes).collect()
}

async fn get(connection: &mut Connection, path: &str) -> anyhow::Result<Value> {
    let response = connection.call(Method::Get, path, None, None).await?;
    ensure!(response.status == 200, "GET {path}: status {}", response.status);
    let mut body: Value = serde_json::from_slice(&response.body)?;
    Ok(body["data"].take())
}
