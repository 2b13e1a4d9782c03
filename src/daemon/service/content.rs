//! Pin, unpin, evict; and bytes of files for clients.

use std::sync::Arc;

use crate::catalog::{LocalContent, LocalRow, Version};
use crate::content::Urgency;
use crate::control::protocol::{ContentChange, ErrorCode, Problem, Target};
use crate::control::service::{ByteStream, ContentVerb, Reply};
use crate::daemon::blocking::blocking;
use crate::daemon::vault::OpenVault;
use crate::daemon::{Daemon, problems};
use crate::types::NodeKind;

impl Daemon {
    pub(super) async fn change_content(self: &Arc<Self>, verb: ContentVerb, target: Target) -> Reply<ContentChange> {
        let place = self.locate(&target).await?;
        let row = place.row().await?;
        if row.kind != NodeKind::File && row.kind != NodeKind::Folder {
            let what = format!("`{}` is neither a file nor a folder", place.path);
            return Err(Problem::new(ErrorCode::Unsupported, what));
        }
        let vault = Arc::clone(&place.vault);
        let (mut change, wanted) = blocking(move || match verb {
            ContentVerb::Pin => vault.pin(&row),
            ContentVerb::Unpin => vault.unpin(&row).map(|change| (change, Vec::new())),
            ContentVerb::Evict => vault.evict(&row).map(|change| (change, Vec::new())),
        })
        .await?;
        place.vault.fetch_in_background(wanted);
        change.vault = place.vault.name();
        change.path = place.path;
        Ok(change)
    }

    pub(super) async fn stream_file(self: &Arc<Self>, target: Target) -> Reply<ByteStream> {
        let place = self.locate(&target).await?;
        let row = place.row().await?;
        super::files::read(place.vault.vfs(), row.ino, &place.path)
    }
}

impl OpenVault {
    /// Marks and counts; answers the versions that are not here yet.
    fn pin(&self, row: &LocalRow) -> Result<(ContentChange, Vec<Version>), Problem> {
        self.mark_pinned(row, true)?;
        let (mut change, mut wanted) = (nothing(), Vec::new());
        self.each_file(row, &mut |file| {
            change.files += 1;
            if let LocalContent::Clean(version) = &file.content {
                self.keep(version, true)?;
                let missing = version.size.saturating_sub(self.hydrated_bytes(file));
                change.bytes += missing;
                if missing > 0 {
                    wanted.push(version.clone());
                }
            }
            Ok(())
        })?;
        Ok((change, wanted))
    }

    fn unpin(&self, row: &LocalRow) -> Result<ContentChange, Problem> {
        self.mark_pinned(row, false)?;
        let mut change = nothing();
        self.each_file(row, &mut |file| {
            change.files += 1;
            match &file.content {
                LocalContent::Clean(version) => self.keep(version, false),
                LocalContent::Staged { .. } | LocalContent::Symlink(_) | LocalContent::None => Ok(()),
            }
        })?;
        Ok(change)
    }

    fn evict(&self, row: &LocalRow) -> Result<ContentChange, Problem> {
        let mut change = nothing();
        self.each_file(row, &mut |file| {
            change.files += 1;
            let LocalContent::Clean(version) = &file.content else {
                change.kept += 1;
                return Ok(());
            };
            if self.provider.capabilities().direct {
                // Its bytes are the provider's own; there is nothing to drop.
                return Ok(());
            }
            change.bytes += self.content.evict(version).map_err(|error| problems::content(&error))?;
            if self.content.cached_bytes(version) > 0 {
                change.kept += 1;
            } else {
                self.vfs().bytes_dropped(file.ino);
            }
            Ok(())
        })?;
        Ok(change)
    }

    fn mark_pinned(&self, row: &LocalRow, pinned: bool) -> Result<(), Problem> {
        self.catalog
            .write(|txn| txn.set_pinned(row.node, pinned))
            .map_err(|error| problems::catalog(&self.name(), &error))
    }

    fn keep(&self, version: &Version, pinned: bool) -> Result<(), Problem> {
        self.content.set_pinned(version, pinned).map_err(|error| problems::content(&error))
    }

    /// Fetches whole files, one after the other, while nobody waits for something else.
    fn fetch_in_background(&self, wanted: Vec<Version>) {
        if wanted.is_empty() {
            return;
        }
        let fetcher = self.fetcher.clone();
        self.tasks.spawn("fetch pinned files", |mut stop| async move {
            for version in wanted {
                let fetched = tokio::select! {
                    () = stop.requested() => return,
                    fetched = fetcher.hydrate(&version, Urgency::Background, &|_present| {}) => fetched,
                };
                if let Err(error) = fetched {
                    tracing::warn!(%error, "a pinned file could not be fetched; it will be when it is read");
                }
            }
        });
    }
}

fn nothing() -> ContentChange {
    ContentChange { vault: String::new(), path: String::new(), files: 0, bytes: 0, kept: 0 }
}
