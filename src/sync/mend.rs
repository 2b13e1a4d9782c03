//! What a crash or a fault of the provider can leave half done, found and put right when somebody asks (`doctor`). The engine gets over
//! all of it by itself as well, only later: sessions end after days, attempts are looked up by the next pull, unused bytes go when space is
//! needed.

use super::engine::Engine;
use super::error::Result;
use crate::catalog::{LocalContent, RemoteBody, StagedRow, SyncedBody, Version, View};
use crate::types::NodeId;

/// Something that hangs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stuck {
    /// Path in the vault.
    pub path: String,
    /// Whose.
    pub node: NodeId,
    /// Of this staged file, if it is an upload.
    staged: Option<StagedRow>,
}

impl Engine {
    /// Uploads that were interrupted and do not get on: their node keeps failing, or has no use for them any more.
    pub fn stuck_uploads(&self) -> Result<Vec<Stuck>> {
        let active = self.state().active.clone();
        Ok(self.catalog.read(|view| {
            let mut stuck = Vec::new();
            for row in view.all_staged()?.into_iter().filter(|row| row.session.is_some()) {
                let is_failing = view.sync_state(row.node)?.problem.is_some();
                let is_wanted = view.local(row.node)?.is_some_and(
                    |local| matches!(local.content, LocalContent::Staged { staged, .. } if staged == row.id),
                );
                if !active.contains_key(&row.node) && (is_failing || !is_wanted) {
                    let path = view.local_path(row.node)?.unwrap_or_default();
                    stuck.push(Stuck { path, node: row.node, staged: Some(row) });
                }
            }
            Ok(stuck)
        })?)
    }

    /// Begins these uploads anew.
    pub fn restart_uploads(&self, stuck: &[Stuck]) -> Result<()> {
        for Stuck { node, staged, .. } in stuck {
            if let Some(row) = staged {
                self.catalog.write(|txn| match txn.staged(row.id)? {
                    Some(row) => txn.put_staged(&StagedRow { session: None, ..row }),
                    None => Ok(()),
                })?;
            }
            self.retry(*node)?;
        }
        Ok(())
    }

    /// Calls to the provider whose outcome was never recorded and that do not run now.
    pub fn open_calls(&self) -> Result<Vec<Stuck>> {
        let active = self.state().active.clone();
        Ok(self.catalog.read(|view| {
            let open = view.attempts()?.into_iter().filter(|attempt| !active.contains_key(&attempt.node));
            open.map(|attempt| {
                let path = view.local_path(attempt.node)?.unwrap_or_else(|| attempt.name.to_string());
                Ok(Stuck { path, node: attempt.node, staged: None })
            })
            .collect()
        })?)
    }

    /// Versions with cached bytes that no tree and no edit names any more.
    pub fn unused_versions(&self) -> Result<Vec<Version>> {
        let mut unused = Vec::new();
        for version in self.content.idle_versions()? {
            if !self.catalog.read(|view| is_named(view, &version))? {
                unused.push(version);
            }
        }
        Ok(unused)
    }
}

fn is_named(view: &View<'_>, version: &Version) -> crate::catalog::Result<bool> {
    let Some(remote) = view.remote_by_rid(&version.rid)? else {
        // Of something that the provider no longer has, or has under another id: an edit may still stand on it.
        return is_base_of_an_edit(view, version);
    };
    let is_remote = matches!(&remote.body, RemoteBody::File { revision, .. } if *revision == version.revision);
    let is_synced = match view.synced(remote.node)?.map(|row| row.body) {
        Some(SyncedBody::File(synced)) => synced.revision == version.revision,
        Some(SyncedBody::Folder | SyncedBody::Symlink { .. }) | None => false,
    };
    let is_local = match view.local(remote.node)?.map(|row| row.content) {
        Some(LocalContent::Clean(local)) => local == *version,
        Some(LocalContent::Staged { based_on, .. }) => based_on.is_some_and(|base| base == *version),
        Some(LocalContent::None | LocalContent::Symlink(_)) | None => false,
    };
    Ok(is_remote || is_synced || is_local || is_base_of_an_edit(view, version)?)
}

fn is_base_of_an_edit(view: &View<'_>, version: &Version) -> crate::catalog::Result<bool> {
    for row in view.all_staged()? {
        if let Some(LocalContent::Staged { based_on: Some(base), .. }) = view.local(row.node)?.map(|row| row.content)
            && base.rid == version.rid
        {
            return Ok(true);
        }
    }
    Ok(false)
}
