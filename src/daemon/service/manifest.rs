//! The manifest: every entry of a vault with its path, id, revision, hash, size and state; those that a filter keeps out of the mount, too.
//! Told line by line while it is read, so that a vault of a million entries is never held in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::state::States;
use crate::catalog::{LocalContent, LocalRow, RemoteBody, RemoteRow, View};
use crate::control::protocol::{ManifestItem, Problem, VaultFilter};
use crate::control::service::{ByteStream, Reply};
use crate::daemon::vault::OpenVault;
use crate::daemon::{Daemon, problems};
use crate::types::{NodeId, NodeKind};

/// Lines that wait for a slow reader.
const LINES_AHEAD: usize = 256;

/// Where lines go; closed when the reader has left.
pub(super) type Lines = mpsc::Sender<std::io::Result<Bytes>>;

impl Daemon {
    pub(super) async fn list_manifest(self: &Arc<Self>, filter: VaultFilter) -> Reply<ByteStream> {
        let vaults = self.open_all(filter.vault.as_deref()).await?;
        let (lines, stream) = lines();
        tokio::task::spawn_blocking(move || {
            for vault in vaults {
                if let Err(problem) = vault.tell_manifest(&lines) {
                    drop(lines.blocking_send(Err(std::io::Error::other(problem.to_string()))));
                    return;
                }
            }
        });
        Ok(stream)
    }
}

/// A stream, and where its lines go in.
pub(super) fn lines() -> (Lines, ByteStream) {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let line = receiver.recv().await?;
        Some((line, receiver))
    });
    (sender, Box::pin(stream))
}

/// One JSON document as a line.
pub(super) fn line(value: &impl serde::Serialize) -> std::io::Result<Bytes> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(Bytes::from(line))
}

/// An entry of a folder, from the tree that has it.
pub(super) enum Entry {
    /// The mount shows it.
    Local(LocalRow),
    /// Only the provider has it.
    Remote { row: RemoteRow, is_left_out: bool },
}

impl OpenVault {
    fn tell_manifest(&self, lines: &Lines) -> Result<(), Problem> {
        let states = self.states()?;
        let name = self.name();
        self.each_entry(&mut |path, entry| {
            let item = self.manifest_item(&name, path, entry, &states)?;
            // A reader that has left wants no more.
            Ok(lines.blocking_send(line(&item)).is_ok())
        })
    }

    /// Calls `visit` for every entry with its path, folders before what is in them, in the order of names, until it answers false.
    pub(super) fn each_entry(
        &self,
        visit: &mut impl FnMut(&str, &Entry) -> Result<bool, Problem>,
    ) -> Result<(), Problem> {
        // Deepest last: the next to be looked at.
        let mut open = vec![(NodeId::ROOT, String::new())];
        while let Some((folder, prefix)) = open.pop() {
            let entries = self
                .catalog
                .read(|view| entries_of(view, folder))
                .map_err(|error| problems::catalog(&self.name(), &error))?;
            let mut folders = Vec::new();
            for ((name, _), entry) in entries {
                let path = format!("{prefix}{name}");
                if !visit(&path, &entry)? {
                    return Ok(());
                }
                let (node, kind) = match &entry {
                    Entry::Local(row) => (row.node, row.kind),
                    Entry::Remote { row, .. } => (row.node, row.kind()),
                };
                if kind == NodeKind::Folder {
                    folders.push((node, format!("{path}/")));
                }
            }
            open.extend(folders.into_iter().rev());
        }
        Ok(())
    }

    fn manifest_item(&self, vault: &str, path: &str, entry: &Entry, states: &States) -> Result<ManifestItem, Problem> {
        let (node, kind, size, state) = match entry {
            Entry::Local(row) => (row.node, row.kind, row.attr.size, states.of(self, row)?),
            Entry::Remote { row, is_left_out } => {
                let size = if let RemoteBody::File { size, .. } = &row.body { *size } else { 0 };
                (row.node, row.kind(), size, states.of_remote(row.node, *is_left_out))
            }
        };
        let (remote, staged_hash) = self
            .catalog
            .read(|view| {
                let staged_hash = match entry {
                    Entry::Local(LocalRow { content: LocalContent::Staged { staged, .. }, .. }) => {
                        view.staged(*staged)?.and_then(|row| row.hashed)
                    }
                    Entry::Local(_) | Entry::Remote { .. } => None,
                };
                Ok((view.remote(node)?, staged_hash))
            })
            .map_err(|error| problems::catalog(vault, &error))?;
        let (revision, hash) = match (entry, remote.as_ref().map(|row| &row.body)) {
            (Entry::Local(LocalRow { content: LocalContent::Clean(version), .. }), _) => {
                (Some(version.revision.0.clone()), version.hash)
            }
            (Entry::Local(LocalRow { content: LocalContent::Staged { based_on, .. }, .. }), _) => {
                (based_on.as_ref().map(|version| version.revision.0.clone()), staged_hash)
            }
            (Entry::Remote { .. }, Some(RemoteBody::File { revision, hash, .. })) => (Some(revision.0.clone()), *hash),
            (Entry::Local(_) | Entry::Remote { .. }, _) => (None, None),
        };
        Ok(ManifestItem {
            vault: vault.to_owned(),
            path: path.to_owned(),
            kind: super::status::kind_word(kind).to_owned(),
            state,
            id: remote.map(|row| row.rid.0),
            revision,
            hash: hash.map(|hash| format!("{}:{}", hash.kind.as_str(), hash.to_hex())),
            size,
        })
    }
}

/// What a folder holds in any of the trees, by name.
fn entries_of(view: &View<'_>, folder: NodeId) -> crate::catalog::Result<BTreeMap<(String, NodeId), Entry>> {
    const PAGE: usize = 1_000;
    let mut entries = BTreeMap::new();
    let mut after = NodeId(0);
    loop {
        let page = view.local_children(folder, after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = last.node;
        entries.extend(page.into_iter().map(|row| ((row.name.to_string(), row.node), Entry::Local(row))));
    }
    for row in view.remote_children(folder)? {
        if view.local(row.node)?.is_none() {
            let is_left_out = view.is_left_out(row.node)?;
            entries.insert((row.name.to_string(), row.node), Entry::Remote { row, is_left_out });
        }
    }
    Ok(entries)
}
