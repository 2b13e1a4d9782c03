//! Whole files: pins, and edits and uploads that need every byte. In order, resumable (what is here is skipped), a few parts at
//! once, cancelled by dropping the future.

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::oneshot;

use crate::catalog::Version;
use crate::content::{FetchError, FetchRequest, Urgency};
use crate::types::{BlockRun, ByteRange};

use super::inflight::Class;
use super::{BlockFetcher, ranges, worker};

/// The second pass is for what was dropped in the first because the whole proved wrong, or evicted meanwhile. A file that is still
/// incomplete then does not fit into the cache: what arrives pushes out what is here.
const MAX_PASSES: u32 = 2;
/// Parts that wait for their turn besides those that run.
const QUEUED_PARTS: usize = 1;

impl BlockFetcher {
    /// Brings every block of a version. `progress` is told the bytes that are here, from time to time and at the end.
    pub async fn hydrate(
        &self,
        version: &Version,
        urgency: Urgency,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), FetchError> {
        let shared = &self.shared;
        let file = shared.store.cached(version).map_err(|error| worker::from_content(&error))?;
        for pass in 1..=MAX_PASSES {
            let missing = file.missing(ByteRange::new(0, version.size));
            progress(shared.store.cached_bytes(version));
            if missing.is_empty() {
                return Ok(());
            }
            let class = match urgency {
                Urgency::Background => Class::Background,
                Urgency::Demand => Class::Demand,
            };
            let part_bytes = self.part_bytes(version).min(self.limited_part(class));
            let parts = missing.into_iter().flat_map(|run| ranges::split(run, part_bytes));
            let width = shared.provider.capabilities().limits.parallel_calls.min(shared.config.max_parallel).max(1);
            let width = match urgency {
                Urgency::Background => width.div_ceil(2) + QUEUED_PARTS,
                Urgency::Demand => width + QUEUED_PARTS,
            };
            let fetched = stream::iter(parts)
                .map(|part| self.fetch_part(version, part, urgency))
                .buffer_unordered(width)
                .try_for_each(|part| {
                    progress(shared.store.cached_bytes(version));
                    // What is only held in memory is no more than readable: the rest would not stay either.
                    let stays = file.missing(part.bytes(version.size)).is_empty();
                    std::future::ready(if stays { Ok(()) } else { Err(FetchError::NoSpace) })
                })
                .await;
            match fetched {
                Err(FetchError::NoSpace) if pass < MAX_PASSES => {}
                fetched => fetched?,
            }
        }
        let incomplete = !file.missing(ByteRange::new(0, version.size)).is_empty();
        progress(shared.store.cached_bytes(version));
        if incomplete { Err(FetchError::NoSpace) } else { Ok(()) }
    }

    async fn fetch_part(&self, version: &Version, run: BlockRun, urgency: Urgency) -> Result<BlockRun, FetchError> {
        let (answer, answered) = oneshot::channel();
        let request = FetchRequest { version: version.clone(), runs: vec![run], stream: 0, urgency, caller: None };
        let done = Box::new(move |result| {
            // The receiver is gone only if the hydration was cancelled.
            let _unheard = answer.send(result);
        });
        let _ticket = self.request_without_stream(request, done);
        let fetched = answered.await;
        fetched.unwrap_or_else(|_closed| Err(FetchError::Failed("the fetch was cancelled".to_owned()))).map(|()| run)
    }
}
