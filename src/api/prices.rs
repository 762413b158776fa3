//! The prices of a match as everybody sees them.

use crate::api::Services;
use crate::api::error::ApiResult;
use crate::api::extract::{Envelope, Okay};
use crate::api::known_match::KnownMatch;
use crate::domain::catalog::Match;
use crate::domain::prices::{PriceList, TicketType, TypePrice};
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What the seats of a match cost.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PricesView {
    /// Rises by one with each change of the list; 0 without a list.
    version: u32,
    /// The first type is that of seats which name none. Empty without a list: then seats have no
    /// type.
    types: Vec<TicketType>,
    /// A type without a price for a grade is not sold there.
    prices: Vec<PriceView>,
    /// What each place costs besides its price, in KRW.
    service_fee: i64,
}

/// What a seat of a grade costs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceView {
    /// The code of a grade of the plan.
    grade: String,
    /// The code of a ticket type; null without a list.
    #[serde(rename = "type")]
    #[schema(required)]
    ticket_type: Option<String>,
    /// In KRW.
    price: i64,
}

impl PricesView {
    /// The list of a match, or the prices of its plan.
    pub fn of(services: &Services, fixture: &Match) -> Self {
        if let Some(PriceList { version, types, prices, service_fee }) = &fixture.prices {
            let price = |row: &TypePrice| PriceView {
                grade: row.grade.clone(),
                ticket_type: Some(row.ticket_type.clone()),
                price: row.price,
            };
            let prices = prices.iter().map(price).collect();
            return Self {
                version: *version,
                types: types.clone(),
                prices,
                service_fee: *service_fee,
            };
        }
        let site = services.catalog.site(fixture.site_id);
        let grades = site.iter().flat_map(|site| &site.site.plan.grades);
        let prices = grades.map(|grade| PriceView {
            grade: grade.code.clone(),
            ticket_type: None,
            price: grade.price,
        });
        Self { version: 0, types: vec![], prices: prices.collect(), service_fee: 0 }
    }
}

/// What the seats of a match cost: by its price list, or by the plan when it has none.
#[utoipa::path(get, path = "/api/matches/{match}/prices",
    operation_id = "getPrices", tag = "matches",
    params(("match" = uuid::Uuid, Path)),
    responses((status = 200, body = Envelope<PricesView>)))]
pub async fn get(
    State(services): State<Arc<Services>>,
    KnownMatch(fixture): KnownMatch,
) -> ApiResult<Okay<PricesView>> {
    Ok(Okay(PricesView::of(&services, &fixture)))
}
