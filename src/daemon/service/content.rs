//! Pin, unpin, evict; and bytes of files for clients.

use std::sync::Arc;

use crate::catalog::{LocalContent, LocalRow};
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
        let mut change = blocking(move || match verb {
            ContentVerb::Pin => vault.pin(&row),
            ContentVerb::Unpin => vault.unpin(&row),
            ContentVerb::Evict => vault.evict(&row),
        })
        .await?;
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
    /// Marks and counts; fetching is up to [`crate::daemon::pins`].
    fn pin(&self, row: &LocalRow) -> Result<ContentChange, Problem> {
        self.mark_pinned(row, true)?;
        let mut change = nothing();
        self.each_file(row, &mut |file| {
            change.files += 1;
            if let LocalContent::Clean(version) = &file.content {
                change.bytes += version.size.saturating_sub(self.hydrated_bytes(file));
            }
            Ok(())
        })?;
        Ok(change)
    }

    /// What is in a folder that is pinned stays.
    fn unpin(&self, row: &LocalRow) -> Result<ContentChange, Problem> {
        self.mark_pinned(row, false)?;
        let mut change = nothing();
        self.each_file(row, &mut |file| {
            change.files += 1;
            change.kept += u64::from(self.pins.keeps(file.node));
            Ok(())
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
            .map_err(|error| problems::catalog(&self.name(), &error))?;
        self.pins.look()
    }
}

fn nothing() -> ContentChange {
    ContentChange { vault: String::new(), path: String::new(), files: 0, bytes: 0, kept: 0 }
}
