//! Holds of seats with ticket types, and of places without seats, together.

use crate::api::Services;
use crate::api::alternatives::alternatives;
use crate::api::auth::User;
use crate::api::choice::{SEATS_PER_CALL_MAX, refuse_odd_choice, refuse_unverified};
use crate::api::error::{ApiError, ApiResult, ErrorCode, FieldError};
use crate::api::one_of::{CHOICES_MAX, Choices, Want};
use crate::api::ticket_types::{TypedSeat, charge, priced_choices, refuse_type};
use crate::api::views::HoldView;
use crate::domain::best::Wish;
use crate::domain::bill::Charge;
use crate::domain::catalog::Match;
use crate::domain::claim::ClaimState;
use crate::domain::ids::{AreaId, BlockId, HoldId, MatchId, SeatId};
use crate::domain::plan::Group;
use crate::engine::error::Refusal;
use crate::engine::operation::Operation;
use crate::live::catalog::KnownSite;
use crate::live::match_feed::MatchFeed;
use serde::Deserialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Seats with their ticket types, and places of areas: all of them or none.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeatsAndAreas {
    #[schema(min_items = 1, max_items = 100)]
    pub seats: Vec<SeatChoice>,
    #[serde(default)]
    #[schema(max_items = 100)]
    pub areas: Vec<AreaChoice>,
}

/// Places of areas, all of them or none.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OnlyAreas {
    #[schema(min_items = 1, max_items = 100)]
    pub areas: Vec<AreaChoice>,
}

/// A seat, by its id or by the organiser's own id.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeatChoice {
    #[schema(nullable = false)]
    seat_id: Option<SeatId>,
    /// Instead of `seatId`.
    #[schema(nullable = false)]
    external_id: Option<String>,
    /// The code of a ticket type of the match's price list; default: the first one.
    #[serde(rename = "type")]
    #[schema(nullable = false)]
    ticket_type: Option<String>,
}

/// Places of an area without seats.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AreaChoice {
    area_id: AreaId,
    /// Only in this block of the area.
    #[schema(nullable = false)]
    block_id: Option<BlockId>,
    #[schema(minimum = 1, maximum = 100)]
    quantity: u32,
    /// As that of a seat.
    #[serde(rename = "type")]
    #[schema(nullable = false)]
    ticket_type: Option<String>,
}

impl SeatsAndAreas {
    /// The seats that are meant, in their order.
    pub fn named_seats(&self, site: &KnownSite) -> ApiResult<Vec<TypedSeat>> {
        if !(1..=SEATS_PER_CALL_MAX).contains(&self.seats.len()) {
            let message = format!("must name 1 to {SEATS_PER_CALL_MAX} seats");
            return Err(ApiError::field("seats", message));
        }
        let (mut found, mut errors) = (Vec::with_capacity(self.seats.len()), Vec::new());
        for (number, seat) in self.seats.iter().enumerate() {
            let by_external = |id: &'_ String| site.index.seat_by_external_id(id).ok_or(id.clone());
            match (seat.seat_id, seat.external_id.as_ref().map(by_external)) {
                (Some(id), None) | (None, Some(Ok(id))) => {
                    found.push((id, seat.ticket_type.clone()));
                }
                (None, Some(Err(id))) => errors.push(FieldError {
                    field: format!("seats[{number}].externalId"),
                    message: format!("the site has no seat {id}"),
                }),
                _ => errors.push(FieldError {
                    field: format!("seats[{number}]"),
                    message: "give either seatId or externalId".to_owned(),
                }),
            }
        }
        if errors.is_empty() { Ok(found) } else { Err(ApiError::fields(errors)) }
    }
}

/// Whether an area has places without seats, and no seats.
pub fn is_without_seats(site: &KnownSite, area: AreaId) -> bool {
    let index = &site.index;
    index.places().any(|places| places.area == area)
        && !index.groups().any(|group| group.area == area)
}

/// The refusal of more places than an area has.
pub fn area_full((area, block): Spot, feed: &MatchFeed) -> ApiError {
    ApiError::area_full(area, feed.places_left(area, block))
}

/// Where places are wanted: in an area, or in one of its blocks.
pub type Spot = (AreaId, Option<BlockId>);

/// Refuses areas that have no places, and wrong quantities. Returns how many places of each area
/// are wanted.
fn quantities(
    fixture: &Match,
    site: &KnownSite,
    areas: &[AreaChoice],
) -> ApiResult<BTreeMap<Spot, usize>> {
    if !(1..=SEATS_PER_CALL_MAX).contains(&areas.len()) {
        let message = format!("must name 1 to {SEATS_PER_CALL_MAX} areas");
        return Err(ApiError::field("areas", message));
    }
    let (mut errors, mut wanted) = (Vec::new(), BTreeMap::new());
    for (number, area) in areas.iter().enumerate() {
        let (id, block) = (area.area_id, area.block_id);
        let is_there =
            |places: &Group| places.area == id && block.is_none_or(|block| block == places.block);
        let place = site.index.places().find(is_there);
        if let Some(place) = place {
            let place = site.index.seat_at(place.positions.start);
            if let Err(message) = refuse_type(fixture, site, place, area.ticket_type.as_deref()) {
                errors.push(FieldError { field: format!("areas[{number}].type"), message });
            }
        } else {
            let message = match block {
                Some(block) => format!("area {id} of the site has no block {block} without seats"),
                None => format!("the site has no area {id} without seats"),
            };
            errors.push(FieldError { field: format!("areas[{number}].areaId"), message });
        }
        let quantity = area.quantity as usize;
        if !(1..=SEATS_PER_CALL_MAX).contains(&quantity) {
            let message = format!("must be 1 to {SEATS_PER_CALL_MAX}");
            errors.push(FieldError { field: format!("areas[{number}].quantity"), message });
        }
        let is_mixed = |(other, known): &Spot| *other == id && known.is_some() != block.is_some();
        if wanted.keys().any(is_mixed) {
            let message = "name a block in each entry of this area, or in none";
            errors.push(FieldError {
                field: format!("areas[{number}].blockId"),
                message: message.into(),
            });
        }
        *wanted.entry((id, block)).or_default() += quantity;
    }
    if errors.is_empty() { Ok(wanted) } else { Err(ApiError::fields(errors)) }
}

/// Holds named seats and places of areas, all or none. This node chooses the places.
pub async fn hold_places(
    services: &Services,
    user: &User,
    id: MatchId,
    (seats, areas): (Vec<TypedSeat>, &[AreaChoice]),
    operation: Operation,
) -> ApiResult<HoldView> {
    let (fixture, site) = services.fixture_with_site(id)?;
    refuse_unverified(services, user, &fixture)?;
    let quantities = quantities(&fixture, &site, areas)?;
    let named: Vec<SeatId> = seats.iter().map(|(seat, _)| *seat).collect();
    if !named.is_empty() {
        charge(&fixture, &site, &seats)?;
        refuse_odd_choice(&site, &named)?;
    }
    let count = seats.len() + quantities.values().sum::<usize>();
    if count > SEATS_PER_CALL_MAX {
        let message = format!("must be 1 to {SEATS_PER_CALL_MAX} seats and places together");
        return Err(ApiError::field("areas", message));
    }
    let order = Order { fixture: &fixture, site: &site, seats: &seats, areas };
    let want = Want {
        services,
        user,
        id,
        fixture: fixture.clone(),
        site: site.clone(),
        count,
        named: named.clone(),
        operation,
    };
    // Also with named seats that are not free, because the script knows who has them.
    let propose = |feed: &MatchFeed| order.choices(feed, &quantities);
    let held = want.hold(propose, |feed| order.refusal(feed, &quantities)).await;
    match held {
        Err(error) if error.code() == ErrorCode::SeatTaken => {
            let error = lost_or_own(services, user, id, error).await?;
            if error.code() != ErrorCode::SeatTaken {
                return Err(error);
            }
            let others = alternatives(services, id, &named).await;
            Err(error.with_alternatives(priced_choices(&fixture, &site, others, &seats)))
        }
        other => other,
    }
}

/// The refusal of seats that somebody else has, or of those that the user has already. The script
/// was asked for no seats when an area is full, so that it could not say whose they are.
async fn lost_or_own(
    services: &Services,
    user: &User,
    id: MatchId,
    error: ApiError,
) -> ApiResult<ApiError> {
    let mut claims = services.engine.claims_of(id.partition(), user.id).await?;
    let now_ms = services.engine.now_ms(id.partition()).await?;
    claims.retain(|claim| claim.match_id == id && !claim.is_late(now_ms));
    let owner = |seat: &SeatId| claims.iter().find(|claim| claim.seats.contains(seat));
    let (own, others): (Vec<SeatId>, Vec<SeatId>) =
        error.lost().iter().partition(|seat| owner(seat).is_some());
    let Some(claim) = own.first().and_then(owner) else { return Ok(error) };
    if !others.is_empty() {
        return Ok(ApiError::seat_taken(others));
    }
    let seats = own.into_iter().filter(|seat| claim.seats.contains(seat)).collect();
    let refusal = match claim.state {
        ClaimState::Hold => Refusal::AlreadyHeld(HoldId(claim.id.0), seats),
        _ => Refusal::ReservedByYou(claim.id, seats),
    };
    Ok(refusal.into())
}

/// What somebody wants.
struct Order<'a> {
    fixture: &'a Match,
    site: &'a KnownSite,
    seats: &'a [TypedSeat],
    areas: &'a [AreaChoice],
}

impl Order<'_> {
    /// The named seats with free places of the areas, in several ways.
    fn choices(&self, feed: &MatchFeed, quantities: &BTreeMap<Spot, usize>) -> ApiResult<Choices> {
        let mut found: Vec<BTreeMap<Spot, Vec<SeatId>>> = vec![BTreeMap::new(); CHOICES_MAX];
        for ((area, block), quantity) in quantities {
            let spot = Wish { area: Some(*area), block: *block, ..Wish::seats(*quantity) };
            let wish = Wish { places: true, ..spot };
            let places = feed.propose(&wish, CHOICES_MAX, true);
            found.truncate(places.len());
            for (choice, places) in found.iter_mut().zip(places) {
                choice.insert((*area, *block), places.seat_ids.clone());
            }
        }
        found.into_iter().map(|places| self.priced(places)).collect()
    }

    fn priced(&self, mut places: BTreeMap<Spot, Vec<SeatId>>) -> ApiResult<(Charge, Vec<SeatId>)> {
        let mut typed = self.seats.to_vec();
        for area in self.areas {
            let left = places.entry((area.area_id, area.block_id)).or_default();
            let taken = left.drain(..(area.quantity as usize).min(left.len()));
            typed.extend(taken.map(|place| (place, area.ticket_type.clone())));
        }
        let charge = charge(self.fixture, self.site, &typed)?;
        Ok((charge, typed.into_iter().map(|(seat, _)| seat).collect()))
    }

    /// Why the map has no choice.
    fn refusal(&self, feed: &MatchFeed, quantities: &BTreeMap<Spot, usize>) -> ApiError {
        let named = self.seats.iter().map(|(seat, _)| *seat);
        let lost: Vec<SeatId> = named.filter(|seat| !feed.is_free(*seat)).collect();
        if !lost.is_empty() {
            return ApiError::seat_taken(lost);
        }
        let is_full =
            |((area, block), count): &(&Spot, &usize)| feed.places_left(*area, *block) < **count;
        let full = quantities.iter().find(is_full).or(quantities.iter().next());
        full.map_or(ErrorCode::SoldOut.into(), |(spot, _)| area_full(*spot, feed))
    }
}
