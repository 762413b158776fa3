//! Holds, reservations and payments as the API shows them.

use crate::api::Services;
use crate::api::error::{ApiError, ApiResult};
use crate::domain::bill::{Bill, BillLine};
use crate::domain::catalog::Match;
use crate::domain::claim::{ClaimPayment, PaymentStatus, Reservation, ReservationStatus};
use crate::domain::ids::{HoldId, MatchId, PaymentId, ReservationId, SeatId};
use crate::domain::plan::Label;
use crate::domain::prices::TypeName;
use crate::domain::refund::{Quote, RefundTerms};
use crate::engine::reply::Granted;
use crate::live::catalog::KnownSite;
use serde::Serialize;
use utoipa::ToSchema;

/// A seat that someone has, with what the ticket says.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimedSeat {
    pub seat_id: SeatId,
    /// In English; unique in the site.
    pub label: String,
    /// In Korean; unique in the site.
    pub label_ko: String,
    /// The organiser's own id of the seat.
    #[schema(required)]
    pub external_id: Option<String>,
    /// The code of its ticket type; null where the match had no price list at the hold.
    #[serde(rename = "type")]
    #[schema(required)]
    pub ticket_type: Option<String>,
    /// The name of that type; null, too, when the price list of today does not have it.
    #[schema(required)]
    pub type_name: Option<TypeName>,
    /// In KRW, without the service fee.
    pub price: i64,
    /// Price and service fee together, in KRW.
    #[serde(skip)]
    pub cost: i64,
}

/// Seats with label and price: that of the bill, or that of the plan where the bill has none.
/// Refuses seats that the site does not have.
pub fn claimed(
    fixture: &Match,
    site: &KnownSite,
    seats: &[SeatId],
    bill: &Bill,
) -> ApiResult<Vec<ClaimedSeat>> {
    let (mut known, mut unknown) = (Vec::with_capacity(seats.len()), Vec::new());
    for seat in seats {
        let (Some(Label { english: label, korean: label_ko }), Some(planned)) =
            (site.index.label(*seat), site.index.price(*seat))
        else {
            unknown.push(*seat);
            continue;
        };
        let line = bill.line(*seat);
        let ticket_type = line.map(|line| line.ticket_type.clone());
        let list = fixture.prices.as_ref().zip(ticket_type.as_deref());
        let named = list.and_then(|(list, code)| list.type_of(Some(code)));
        known.push(ClaimedSeat {
            seat_id: *seat,
            label,
            label_ko,
            external_id: site.index.external_id(*seat).map(str::to_owned),
            type_name: named.map(|named| named.name.clone()),
            ticket_type,
            price: line.map_or(planned, BillLine::price),
            cost: line.map_or(planned, |line| line.cost),
        });
    }
    if unknown.is_empty() { Ok(known) } else { Err(ApiError::seats_not_found(unknown)) }
}

/// Milliseconds of Redis as a time.
pub fn moment(ms: i64) -> ApiResult<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(ms).map_err(ApiError::internal)
}

/// A hold.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldView {
    #[schema(value_type = uuid::Uuid)]
    pub hold_id: HoldId,
    pub seats: Vec<ClaimedSeat>,
    /// With the service fee, in KRW.
    pub amount: i64,
    /// The part of the amount that is the service fee, in KRW.
    pub service_fee: i64,
    pub expires_at: jiff::Timestamp,
    /// Whether an earlier call under the same key has made it.
    #[serde(skip)]
    pub replayed: bool,
}

impl HoldView {
    /// A hold that was granted now.
    pub fn granted(
        fixture: &Match,
        site: &KnownSite,
        hold_id: HoldId,
        granted: &Granted,
    ) -> ApiResult<Self> {
        metrics::counter!("grandstand_seats_held_total").increment(granted.seats.len() as u64);
        Ok(Self {
            hold_id,
            seats: claimed(fixture, site, &granted.seats, &granted.bill)?,
            amount: granted.amount,
            service_fee: granted.bill.service_fee(&granted.seats),
            expires_at: moment(granted.deadline)?,
            replayed: granted.replayed,
        })
    }
}

/// A reservation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservationView {
    #[schema(value_type = uuid::Uuid)]
    pub id: ReservationId,
    #[schema(value_type = uuid::Uuid)]
    pub match_id: MatchId,
    pub status: ReservationStatus,
    pub seats: Vec<ClaimedSeat>,
    /// With the service fee, in KRW.
    pub amount: i64,
    /// The part of the amount that is the service fee, in KRW.
    pub service_fee: i64,
    /// The end of the time to pay, while PENDING.
    #[schema(required)]
    pub expires_at: Option<jiff::Timestamp>,
    #[schema(required)]
    pub created_at: Option<jiff::Timestamp>,
    #[schema(required)]
    pub payment: Option<PaymentView>,
    /// What a cancellation would give back now, while the reservation is PENDING (once it is paid)
    /// or CONFIRMED; null when nothing can be cancelled any more. It does not look whether somebody
    /// has entered with a seat: cancelling that seat is 409 `REFUND_CLOSED`.
    #[schema(required)]
    pub refund: Option<RefundView>,
}

/// What a cancellation would give back now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundView {
    /// From this time on nothing can be cancelled; null: there is no such time.
    #[schema(required)]
    until: Option<jiff::Timestamp>,
    /// What the organiser would keep, in KRW.
    fee: i64,
    /// What would go back, in KRW.
    amount: i64,
    /// The same for each seat, because some seats can be cancelled alone.
    seats: Vec<SeatRefund>,
}

/// What the cancellation of a seat would give back now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeatRefund {
    seat_id: SeatId,
    /// In KRW.
    fee: i64,
    /// In KRW.
    amount: i64,
}

impl RefundView {
    /// For a reservation as it is at a time in ms of its partition.
    fn at(
        now_ms: i64,
        reservation: &Reservation,
        offered: &RefundTerms,
        seats: &[ClaimedSeat],
    ) -> Option<Self> {
        let open = [ReservationStatus::Pending, ReservationStatus::Confirmed];
        if !open.contains(&reservation.status) || seats.is_empty() {
            return None;
        }
        let prices: Vec<_> = seats.iter().map(|seat| (seat.seat_id, seat.cost)).collect();
        let kept = reservation.refund_terms.as_ref();
        Some(Self::of(&Quote::now(kept, Some(offered), now_ms, &prices)?))
    }

    /// When an organiser cancels a paid reservation and takes the fee.
    pub fn of_organiser(
        now_ms: i64,
        reservation: &Reservation,
        offered: &RefundTerms,
        seats: &[ClaimedSeat],
    ) -> Option<Self> {
        let prices: Vec<_> = seats.iter().map(|seat| (seat.seat_id, seat.cost)).collect();
        let kept = reservation.refund_terms.as_ref();
        let is_paid = reservation.status == ReservationStatus::Confirmed && !prices.is_empty();
        is_paid.then(|| Self::of(&Quote::of_organiser(kept, offered, now_ms, &prices)))
    }

    fn of(quote: &Quote) -> Self {
        let seat = |(seat_id, price, fee): &(SeatId, i64, i64)| SeatRefund {
            seat_id: *seat_id,
            fee: *fee,
            amount: price - fee,
        };
        Self {
            until: (quote.until > 0).then(|| moment(quote.until).ok()).flatten(),
            fee: quote.fee(),
            amount: quote.amount(),
            seats: quote.seats.iter().map(seat).collect(),
        }
    }
}

impl ReservationView {
    /// A reservation with the labels of its seats, at a time in ms of its partition.
    pub fn at(now_ms: i64, services: &Services, reservation: &Reservation) -> Self {
        let known = services.catalog.fixture_with_site(reservation.match_id);
        // Empty while this node does not know the plan: never seats at 0 KRW.
        let seats = known
            .as_ref()
            .and_then(|(fixture, site)| {
                claimed(fixture, site, &reservation.seats, &reservation.bill).ok()
            })
            .unwrap_or_default();
        let refund = known.as_ref().and_then(|(fixture, _)| {
            RefundView::at(now_ms, reservation, &fixture.refund_terms(), &seats)
        });
        let time = |ms: i64| jiff::Timestamp::from_millisecond(ms).ok();
        let payment = reservation.payment.as_ref();
        Self {
            id: reservation.id,
            match_id: reservation.match_id,
            status: reservation.status,
            seats,
            amount: reservation.amount,
            service_fee: reservation.bill.service_fee(&reservation.seats),
            expires_at: reservation.expires_at.and_then(time),
            created_at: time(reservation.created_at),
            payment: payment.map(|payment| PaymentView::of(services, reservation, payment)),
            refund,
        }
    }
}

/// A payment.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentView {
    #[schema(value_type = uuid::Uuid)]
    id: PaymentId,
    #[schema(value_type = uuid::Uuid)]
    reservation_id: ReservationId,
    order_id: String,
    /// What is charged, in KRW.
    amount: i64,
    /// What went back of it, in KRW.
    refunded: i64,
    /// What the organiser keeps of the seats that were cancelled, in KRW.
    refund_fees: i64,
    method: String,
    status: PaymentStatus,
    /// The page on which to pay; add `successUrl` and `failUrl` to its query. Not there when
    /// nothing is to be paid: confirm such a payment with any payment key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    checkout_url: Option<String>,
    /// The client key with which the SDK of Toss (`@tosspayments/tosspayments-sdk`) opens the
    /// payment window for this `orderId` and `amount`. Only where the node has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_key: Option<String>,
}

impl PaymentView {
    /// Its status, in the light of that of its reservation.
    pub fn status(&self) -> PaymentStatus {
        self.status
    }

    /// A payment of a reservation.
    pub fn of(services: &Services, reservation: &Reservation, payment: &ClaimPayment) -> Self {
        // It was paid and then cancelled, so the money is back.
        let status = match (payment.status, reservation.status) {
            (PaymentStatus::Paid, ReservationStatus::Cancelled) => PaymentStatus::Refunded,
            (status, _) => status,
        };
        let money = &payment.money;
        let (refunded, refund_fees) = match status {
            // While Redis remembers it, its last refund is still in its record.
            PaymentStatus::Refunded => {
                let fees = money.back_fees + money.part_fee;
                (payment.amount - fees, fees)
            }
            _ => (money.back, money.back_fees),
        };
        let open = status == PaymentStatus::Ready && payment.amount > 0;
        let page = open.then_some(&services.pay_page);
        let checkout_url = page.and_then(|page| page.url_for(payment));
        let client_key = page.and_then(|page| page.client_key()).map(str::to_owned);
        Self {
            id: payment.id,
            reservation_id: reservation.id,
            order_id: payment.id.order_id(),
            amount: payment.amount,
            refunded,
            refund_fees,
            method: payment.method.clone(),
            status,
            checkout_url,
            client_key,
        }
    }
}
