//! Steps of a call that belong together: the later ones put right what the earlier ones may have
//! done. They end although the client hangs up, or its time is over.

use crate::api::error::{ApiError, ApiResult};
use std::time::Duration;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// The steps that are under way on a node.
#[derive(Default)]
pub struct Steps(TaskTracker);

impl Steps {
    /// Takes all steps in a task of their own. A handler itself ends with its connection.
    ///
    /// # Errors
    /// Those of the steps.
    pub async fn run<T: Send + 'static>(
        &self,
        steps: impl Future<Output = ApiResult<T>> + Send + 'static,
    ) -> ApiResult<T> {
        self.0.spawn(steps.in_current_span()).await.map_err(ApiError::internal)?
    }

    /// Waits until the steps that are under way have ended. `false`: some did not within `timeout`.
    pub async fn finish(&self, timeout: Duration) -> bool {
        self.0.close();
        tokio::time::timeout(timeout, self.0.wait()).await.is_ok()
    }
}
