//! Files whose bytes the provider does not give: documents of its own, which have none, and what it has blocked. Whoever opens one gets
//! `EIO`, which says nothing; here is what to say instead.
//!
//! A document is known by its row: it has no hash where every file has one. What is blocked is known once somebody has tried to read it, and
//! forgotten with the daemon.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::vault::OpenVault;
use crate::catalog::{LocalContent, LocalRow, Version};
use crate::control::protocol::{ErrorCode, Problem};
use crate::provider::{Capabilities, ProviderError};
use crate::types::{RemoteId, Revision};

/// Refusals that are remembered.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);
/// Files that are named one by one.
const NAMED: usize = 5;

/// Which versions somebody has tried to read, and why they were not given.
pub(super) struct Refusals(Mutex<LruCache<(RemoteId, Revision), String>>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KEPT)))
    }
}

impl Refusals {
    fn table(&self) -> MutexGuard<'_, LruCache<(RemoteId, Revision), String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The provider has refused to give a version's bytes.
    pub(super) fn note(&self, version: &Version, error: &ProviderError) {
        let id = format!("{}: ", version.rid);
        let why = error.message.strip_prefix(&id).unwrap_or(&error.message).to_owned();
        self.table().put((version.rid.clone(), version.revision.clone()), why);
    }

    fn why(&self, version: &Version) -> Option<String> {
        self.table().peek(&(version.rid.clone(), version.revision.clone())).cloned()
    }
}

/// True for a document of the provider's own, which has no bytes.
fn is_document(capabilities: &Capabilities, version: &Version) -> bool {
    capabilities.content_hash.is_some() && version.hash.is_none()
}

impl OpenVault {
    /// True if the provider does not give the bytes of what the mount shows here, as far as is known.
    pub(super) fn is_unreadable(&self, row: &LocalRow) -> bool {
        let LocalContent::Clean(version) = &row.content else { return false };
        is_document(self.provider.capabilities(), version)
            || (self.refusals.why(version).is_some() && self.content.cached_bytes(version) == 0)
    }

    /// What to say of a file that is unreadable.
    pub(super) fn unreadable_file(&self, path: &str, row: &LocalRow) -> Option<Problem> {
        let LocalContent::Clean(version) = &row.content else { return None };
        let what = format!("`{path}` cannot be read");
        if is_document(self.provider.capabilities(), version) {
            return Some(
                Problem::new(ErrorCode::Unsupported, what)
                    .cause("it is a document of the provider itself and has no bytes")
                    .hint(
                        "open it in the browser, on the provider's website; here it can be renamed, moved and deleted",
                    ),
            );
        }
        let hint = "ask the provider; here it can be renamed, moved and deleted, and nothing else is affected";
        self.refusals.why(version).map(|why| Problem::new(ErrorCode::Io, what).cause(why).hint(hint))
    }

    /// The files that somebody has tried to read in vain and that are still there.
    pub(super) fn unreadable_problem(&self) -> Option<Problem> {
        let tried: Vec<(RemoteId, Revision)> =
            self.refusals.table().iter().map(|(version, _)| version.clone()).collect();
        if tried.is_empty() {
            return None;
        }
        let there = self.catalog.read(|view| {
            let mut there = Vec::new();
            for (rid, revision) in &tried {
                let Some(remote) = view.remote_by_rid(rid)? else { continue };
                let (Some(row), Some(path)) = (view.local(remote.node)?, view.local_path(remote.node)?) else {
                    continue;
                };
                let is_it = matches!(&row.content, LocalContent::Clean(version) if version.revision == *revision);
                if is_it {
                    there.push((path, row));
                }
            }
            Ok::<_, crate::catalog::CatalogError>(there)
        });
        let mut there = there.ok()?;
        there.retain(|(_, row)| self.is_unreadable(row));
        there.sort_by(|(one, _), (other, _)| one.cmp(other));
        match &there[..] {
            [] => None,
            [(path, row)] => self.unreadable_file(path, row),
            many => {
                let named: Vec<String> = many.iter().take(NAMED).map(|(path, _)| format!("`{path}`")).collect();
                let more = if many.len() > NAMED { ", ..." } else { "" };
                let what = format!("{} files cannot be read: {}{more}", many.len(), named.join(", "));
                Some(Problem::new(ErrorCode::Io, what).hint("`vaultfs status FILE` says why, and what to do"))
            }
        }
    }
}
