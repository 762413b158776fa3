//! Reads the plan of another program for an organiser. Nothing is stored: the page shows the plan
//! and its faults, and then creates a site from it.

use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{Envelope, Input, Okay, Query};
use crate::api::staff::Manager;
use crate::domain::plan::{PlanFault, SitePlan};
use crate::plan_import::{ImportOptions, PlanForm, import_plan};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::{IntoParams, ToSchema};

/// The turn to read a file.
static TURN: Semaphore = Semaphore::const_new(1);

/// The form of the text.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    #[param(inline)]
    from: PlanForm,
}

/// The plan of another program.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportInput {
    /// The text of the file.
    text: String,
    /// The name of the site, instead of the one in the file.
    #[serde(default)]
    name: Option<String>,
    /// Distance of neighbours in metres, 0.1 to 10: scales the whole plan.
    #[serde(default)]
    #[schema(minimum = 0.1, maximum = 10)]
    spacing: Option<f64>,
}

/// What was read.
#[derive(Serialize, ToSchema)]
pub struct ImportView {
    /// `null` when there are faults.
    plan: Option<SitePlan>,
    /// What was left out or guessed.
    notes: Vec<String>,
    /// All faults. A pointer is the place in the file: a line, or a JSON pointer.
    faults: Vec<PlanFault>,
}

/// Reads the plan of another program, and stores nothing.
#[utoipa::path(post, path = "/api/admin/sites/import",
    operation_id = "importPlan", tag = "administration", request_body = ImportInput,
    params(ImportQuery), security(("manager" = [])),
    responses((status = 200, body = Envelope<ImportView>)))]
pub async fn import(
    _manager: Manager,
    Query(query): Query<ImportQuery>,
    input: Input<ImportInput>,
) -> ApiResult<Okay<ImportView>> {
    let ImportInput { text, name, spacing } = input.value;
    if spacing.is_some_and(|metres| !(0.1..=10.0).contains(&metres)) {
        return Err(ApiError::field("spacing", "must be 0.1 to 10 metres"));
    }
    let options = ImportOptions { name, prices: vec![], spacing };
    // A hostile file may take long, and its work cannot be stopped. So only one at a time is read.
    let Ok(turn) = TURN.try_acquire() else { return Err(ErrorCode::Overloaded.into()) };
    // A large file takes longer than a task may keep its thread.
    let read = move || {
        let _turn = turn;
        import_plan(query.from, &text, &options)
    };
    let read = tokio::task::spawn_blocking(read).await.map_err(ApiError::internal)?;
    Ok(Okay(match read {
        Ok(imported) => {
            ImportView { plan: Some(imported.plan), notes: imported.notes, faults: vec![] }
        }
        Err(faults) => ImportView { plan: None, notes: vec![], faults },
    }))
}
