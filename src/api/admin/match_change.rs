//! Changes single fields of a match.

use crate::api::Services;
use crate::api::admin::matches::{MatchInput, check, read, retried, store};
use crate::api::changes::{given, present};
use crate::api::error::{ApiResult, ErrorCode};
use crate::api::extract::{Envelope, Input, Okay, Path};
use crate::api::if_match::IfMatch;
use crate::api::matches::MatchView;
use crate::api::staff::{Manager, refuse_other_site};
use crate::domain::ids::{MatchId, SiteId};
use crate::domain::refund::RefundFee;
use axum::extract::State;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Fields of a match; those that are left out stay as they are. Null: the default.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MatchChange {
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<uuid::Uuid>)]
    site_id: Option<SiteId>,
    #[serde(deserialize_with = "present")]
    #[schema(max_length = 100)]
    home_team: Option<String>,
    #[serde(deserialize_with = "present")]
    #[schema(max_length = 100)]
    away_team: Option<String>,
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<jiff::Timestamp>)]
    starts_at: Option<jiff::Timestamp>,
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<jiff::Timestamp>)]
    sale_opens_at: Option<Option<jiff::Timestamp>>,
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<jiff::Timestamp>)]
    sale_closes_at: Option<Option<jiff::Timestamp>>,
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<jiff::Timestamp>)]
    refundable_until: Option<Option<jiff::Timestamp>>,
    #[serde(deserialize_with = "present")]
    #[schema(max_items = 10)]
    refund_fees: Option<Vec<RefundFee>>,
    #[serde(deserialize_with = "present")]
    one_hold_per_user: Option<bool>,
    #[serde(deserialize_with = "present")]
    holds_need_verified_email: Option<bool>,
    #[serde(deserialize_with = "present")]
    orphan_rule: Option<bool>,
}

impl MatchChange {
    /// A match with this change.
    fn applied(&self, mut input: MatchInput) -> MatchInput {
        fn set<T: Clone>(field: &mut T, given: Option<&T>) {
            if let Some(value) = given {
                field.clone_from(value);
            }
        }
        set(&mut input.site_id, self.site_id.as_ref());
        set(&mut input.home_team, self.home_team.as_ref());
        set(&mut input.away_team, self.away_team.as_ref());
        set(&mut input.starts_at, self.starts_at.as_ref());
        set(&mut input.sale_opens_at, self.sale_opens_at.as_ref());
        set(&mut input.sale_closes_at, self.sale_closes_at.as_ref());
        set(&mut input.refundable_until, self.refundable_until.as_ref());
        set(&mut input.refund_fees, self.refund_fees.as_ref());
        set(&mut input.one_hold_per_user, self.one_hold_per_user.as_ref());
        set(&mut input.holds_need_verified_email, self.holds_need_verified_email.as_ref());
        set(&mut input.orphan_rule, self.orphan_rule.as_ref());
        input
    }
}

/// Changes some fields of a match, and leaves the others as they are. With `If-Match`, the match
/// must have the version that you have read. The site can only be changed while the match is DRAFT.
#[utoipa::path(patch, path = "/api/admin/matches/{match}",
    operation_id = "changeMatch", tag = "administration",
    params(("match" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header)),
    request_body = MatchChange, security(("manager" = [])),
    responses((status = 200, body = Envelope<MatchView>)),
    extensions(("x-codes" = json!([
        ErrorCode::SiteNotFound, ErrorCode::MatchOnSale, ErrorCode::SeatsBlocked,
        ErrorCode::ChangedMeanwhile, ErrorCode::VersionMismatch]))))]
pub async fn change(
    State(services): State<Arc<Services>>,
    Manager(user): Manager,
    Path(id): Path<MatchId>,
    seen: IfMatch,
    input: Input<MatchChange>,
) -> ApiResult<Okay<MatchView>> {
    let given = &input.value;
    retried(|| async {
        let old = read(&services, id).await?;
        seen.check(old.version)?;
        let given = given.applied(MatchInput::of(&old));
        refuse_other_site(&user, given.site_id)?;
        let stadium = check(&services, &given)?;
        store(&services, &user, old, (&stadium, &given)).await
    })
    .await
}
