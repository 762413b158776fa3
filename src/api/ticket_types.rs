//! The ticket types of the seats that a caller chooses, and what the seats cost with them.

use crate::api::choice::checked_seats;
use crate::api::error::{ApiError, ApiResult, ErrorCode, FieldError};
use crate::domain::best::Wish;
use crate::domain::bill::{Bill, BillLine, Charge};
use crate::domain::catalog::Match;
use crate::domain::ids::SeatId;
use crate::domain::prices::{NoPrice, PriceList};
use crate::live::catalog::KnownSite;
use crate::live::proposals::Choice;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// Seats with the code of a ticket type each; seats without a code are of the first type of the
/// match's price list. Refuses the same as `checked_seats`, and types that the match does not sell.
pub fn charge(fixture: &Match, site: &KnownSite, seats: &[TypedSeat]) -> ApiResult<Charge> {
    let ids: Vec<SeatId> = seats.iter().map(|(seat, _)| *seat).collect();
    let amount = checked_seats(site, &ids)?;
    let Some(list) = &fixture.prices else {
        refuse_types(seats)?;
        return Ok(amount.into());
    };
    let (mut lines, mut errors) = (Vec::with_capacity(seats.len()), Vec::new());
    for (number, (seat, code)) in seats.iter().enumerate() {
        match price_line(list, site, *seat, code.as_deref()) {
            Ok(line) => lines.push(line),
            Err(message) => {
                errors.push(FieldError { field: format!("seats[{number}].type"), message });
            }
        }
    }
    if !errors.is_empty() {
        return Err(ApiError::fields(errors));
    }
    let codes: Vec<&str> = lines.iter().map(|line| line.ticket_type.as_str()).collect();
    refuse_over_limit(list, &codes)?;
    Ok(Bill(lines).into())
}

/// A seat, and the code of its ticket type; without a code it is of the first type.
pub type TypedSeat = (SeatId, Option<String>);

/// Choices in the place of seats that were lost, at the prices of the match. A choice with a seat
/// that is not sold for its type is left out.
pub fn priced_choices(
    fixture: &Match,
    site: &KnownSite,
    choices: Vec<Arc<Choice>>,
    lost: &[TypedSeat],
) -> Vec<Arc<Choice>> {
    let Some(list) = &fixture.prices else { return choices };
    let priced = |choice: Arc<Choice>| {
        let seats = choice.seat_ids.iter().zip(lost);
        let costs = seats.map(|(seat, (_, code))| {
            price_line(list, site, *seat, code.as_deref()).map(|line| line.cost)
        });
        let amount = costs.sum::<Result<i64, String>>().ok()?;
        Some(Arc::new(choice.with_amount(&site.index, amount)))
    };
    choices.into_iter().filter_map(priced).collect()
}

/// Why a seat or a place is not sold for a ticket type, for the field that names the type.
pub fn refuse_type(
    fixture: &Match,
    site: &KnownSite,
    seat: SeatId,
    code: Option<&str>,
) -> Result<(), String> {
    match (&fixture.prices, code) {
        (Some(list), _) => price_line(list, site, seat, code).map(drop),
        (None, Some(_)) => Err("the match has no ticket types".to_owned()),
        (None, None) => Ok(()),
    }
}

/// What a seat costs now, or why it has no price.
fn price_line(
    list: &PriceList,
    site: &KnownSite,
    seat: SeatId,
    code: Option<&str>,
) -> Result<BillLine, String> {
    let grade = site.index.grade(seat).unwrap_or_default();
    list.line(seat, grade, code).map_err(|why| match why {
        NoPrice::Unknown(code) => format!("the match has no ticket type {code}"),
        NoPrice::NotInGrade { ticket_type, grade } => {
            format!("the type {ticket_type} is not sold for seats of the grade {grade}")
        }
    })
}

/// A match without a price list has no ticket types.
fn refuse_types(seats: &[TypedSeat]) -> ApiResult<()> {
    let typed = seats.iter().enumerate().filter(|(_, (_, code))| code.is_some());
    let errors: Vec<FieldError> = typed
        .map(|(number, _)| FieldError {
            field: format!("seats[{number}].type"),
            message: "the match has no ticket types".to_owned(),
        })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(ApiError::fields(errors)) }
}

/// Refuses more seats of a ticket type than one hold may have.
fn refuse_over_limit(list: &PriceList, codes: &[&str]) -> ApiResult<()> {
    let Some(over) = list.over_limit(codes) else { return Ok(()) };
    let (code, limit) = (&over.code, over.limit.unwrap_or_default());
    let detail = format!("At most {limit} seats of the type {code} can be held at once.");
    Err(ApiError::new(ErrorCode::TypeLimit, detail))
}

/// How many seats of each ticket type: `{"ADULT": 1, "CHILD": 1}`, or `["ADULT", "CHILD"]`.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum TypesInput {
    Counts(BTreeMap<String, u32>),
    Codes(Vec<String>),
}

/// The ticket types of the seats of a wish.
pub struct SeatTypes<'a> {
    list: Option<&'a PriceList>,
    /// By seat of a choice.
    codes: Vec<String>,
    /// The grades in which all these types are sold, in the order of the plan; none when the wish
    /// needs no such limit.
    only_in: Option<Vec<u32>>,
}

impl<'a> SeatTypes<'a> {
    /// Refuses types that the match does not have, that are not `count` together, that are above
    /// their limit, or that no grade of the wish sells together.
    pub fn of(
        fixture: &'a Match,
        site: &KnownSite,
        (count, wish_grade): (usize, Option<&str>),
        input: Option<TypesInput>,
    ) -> ApiResult<Self> {
        let refuse = |message: String| ApiError::field("bestAvailable.types", message);
        let Some(list) = &fixture.prices else {
            return match input {
                Some(_) => Err(refuse("the match has no ticket types".to_owned())),
                None => Ok(Self { list: None, codes: vec![], only_in: None }),
            };
        };
        let codes = codes(list, count, input).map_err(refuse)?;
        refuse_over_limit(list, &codes.iter().map(String::as_str).collect::<Vec<&str>>())?;
        let sells_all = |grade: &str| codes.iter().all(|code| list.price(grade, code).is_some());
        let grades = site.site.plan.grades.iter().map(|grade| grade.code.as_str());
        let wanted = grades.filter(|grade| wish_grade.is_none_or(|wanted| wanted == *grade));
        let sold = wanted.clone().filter(|grade| sells_all(grade));
        let sold: Vec<u32> = sold.filter_map(|grade| site.index.grade_number(grade)).collect();
        if sold.is_empty() {
            return Err(refuse("no such seats are sold for all of these types".to_owned()));
        }
        let only_in = (sold.len() < wanted.count()).then_some(sold);
        Ok(Self { list: Some(list), codes, only_in })
    }

    /// The wish, only for the grades in which all the types are sold.
    pub fn narrowed(&self, wish: Wish) -> Wish {
        match &self.only_in {
            None => wish,
            Some(grades) => Wish { grades: grades.clone(), ..wish },
        }
    }

    /// What a choice costs; `None` when one of its seats is not sold for its type.
    pub fn charge(&self, site: &KnownSite, choice: &Choice) -> Option<Charge> {
        let Some(list) = self.list else { return Some(choice.amount.into()) };
        let seats = choice.seat_ids.iter().zip(&self.codes);
        let lines = seats.map(|(seat, code)| price_line(list, site, *seat, Some(code)).ok());
        Some(Bill(lines.collect::<Option<_>>()?).into())
    }
}

/// The codes of the types by seat, in the order of the list.
fn codes(list: &PriceList, count: usize, input: Option<TypesInput>) -> Result<Vec<String>, String> {
    let codes: Vec<String> = match input {
        None => {
            let first = list.type_of(None).map(|first| first.code.clone()).unwrap_or_default();
            return Ok(vec![first; count]);
        }
        Some(TypesInput::Codes(codes)) => codes,
        Some(TypesInput::Counts(counts)) => {
            let sum: u64 = counts.values().map(|number| u64::from(*number)).sum();
            if sum != count as u64 {
                return Err(format!("must be {count} seats together, as count says"));
            }
            let all = counts.into_iter();
            all.flat_map(|(code, number)| vec![code; number as usize]).collect()
        }
    };
    if codes.len() != count {
        return Err(format!("must be {count} seats together, as count says"));
    }
    match codes.iter().find(|code| list.type_of(Some(code)).is_none()) {
        Some(unknown) => Err(format!("the match has no ticket type {unknown}")),
        None => Ok(codes),
    }
}
