//! Work that waits for disks runs on threads of its own, so that the event loop never does.

use super::problems;
use crate::control::protocol::Problem;

/// Runs `work` on a thread that may wait.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| problems::crashed(&error))?
}
