//! Steps that meet the provider. Each one proves that its rows are still those it was planned from, calls, and records the outcome.
//! A precondition that turned out false is no error: R is refreshed and the engine plans again.

use super::engine::{Engine, Why};
use super::error::{Result, SyncError};
use super::observe::Batch;
use super::plan::{Content, Place, Planned, Step, aside_name};
use super::root::rid_of_node;
use super::trees::{Sides, sides};
use crate::catalog::{Attempt, Made};
use crate::provider::{EntryBody, ErrorKind, ProviderError, RemoteEntry};
use crate::types::{NodeId, NodeKind, RemoteId, Revision};

/// How a step ended, if nothing failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// Done and recorded.
    Done,
    /// The rows are no longer those it was planned from. Nothing was done.
    Stale,
    /// The provider was found otherwise than R said, and R has been refreshed.
    Refreshed,
    /// Somebody has the file open: after they close it.
    Deferred,
}

/// True for steps that change only this machine and can share one transaction.
pub(super) fn is_local(step: &Step, found: &Sides) -> bool {
    match step {
        Step::CreateLocal(_)
        | Step::UpdateLocal
        | Step::MoveLocal(_)
        | Step::LeaveOut
        | Step::DeleteLocal
        | Step::Adopt { .. }
        | Step::DropSynced => true,
        Step::MarkSynced => !is_staged(found),
        Step::HashLocal
        | Step::CreateRemoteFolder(_)
        | Step::CreateRemoteSymlink(_)
        | Step::UploadNew(_)
        | Step::UploadOver { .. }
        | Step::MoveRemote(_)
        | Step::MoveRemoteAside
        | Step::DeleteRemote { .. }
        | Step::KeepBoth { .. } => false,
    }
}

/// True if L holds bytes that the provider may not have.
pub(super) fn is_staged(found: &Sides) -> bool {
    found.local.as_ref().is_some_and(|side| matches!(side.content, Content::Staged { .. }))
}

impl Engine {
    /// Runs one step that needs the provider, or work outside a transaction.
    pub(super) async fn run_step(&self, planned: &Planned, expected: &Sides) -> Result<Outcome> {
        let node = planned.node;
        if self.catalog.read(|view| sides(view, node))?.as_ref() != Some(expected) {
            return Ok(Outcome::Stale);
        }
        match &planned.step {
            Step::HashLocal => self.hash_local(node).await,
            Step::CreateRemoteFolder(place) => self.create_remote_folder(node, expected, place).await,
            Step::CreateRemoteSymlink(place) => self.create_remote_symlink(node, expected, place).await,
            Step::UploadNew(place) => self.upload_new(node, expected, place).await,
            Step::UploadOver { expected: revision } => self.upload_over(node, expected, revision).await,
            Step::MoveRemote(place) => self.move_remote(node, expected, place.clone()).await,
            Step::MoveRemoteAside => self.move_remote_aside(node, expected).await,
            Step::DeleteRemote { expected: revision } => self.delete_remote(node, expected, revision.as_ref()).await,
            Step::KeepBoth { ours } => self.keep_both(node, expected, ours).await,
            Step::MarkSynced => self.mark_synced_staged(node).await,
            Step::CreateLocal(_)
            | Step::UpdateLocal
            | Step::MoveLocal(_)
            | Step::LeaveOut
            | Step::DeleteLocal
            | Step::Adopt { .. }
            | Step::DropSynced => self.run_local(planned, expected, None),
        }
    }

    pub(super) fn parent_rid(&self, place: &Place) -> Result<Option<RemoteId>> {
        Ok(self.catalog.read(|view| rid_of_node(view, place.parent))?)
    }

    async fn create_remote_folder(&self, node: NodeId, expected: &Sides, place: &Place) -> Result<Outcome> {
        let Some(parent) = self.parent_rid(place)? else { return Ok(Outcome::Stale) };
        let Some(attempt) = self.begin_attempt(node, None, &parent, place, Made::Folder).await? else {
            return Ok(Outcome::Refreshed);
        };
        let made = self.provider.create_folder(&parent, &place.name).await;
        self.made(&attempt, expected, made).await
    }

    async fn create_remote_symlink(&self, node: NodeId, expected: &Sides, place: &Place) -> Result<Outcome> {
        let Some(Content::Symlink(target)) = expected.local.as_ref().map(|side| &side.content) else {
            return Ok(Outcome::Stale);
        };
        let Some(parent) = self.parent_rid(place)? else { return Ok(Outcome::Stale) };
        let Some(attempt) = self.begin_attempt(node, None, &parent, place, Made::Symlink(target.clone())).await? else {
            return Ok(Outcome::Refreshed);
        };
        let made = self.provider.create_symlink(&parent, &place.name, target).await;
        self.made(&attempt, expected, made).await
    }

    /// After an attempt to make a folder or link.
    async fn made(
        &self,
        attempt: &Attempt,
        expected: &Sides,
        made: std::result::Result<RemoteEntry, ProviderError>,
    ) -> Result<Outcome> {
        let Attempt { node, parent, name, .. } = attempt;
        let node = *node;
        if made.as_ref().is_err_and(|error| error.kind != ErrorKind::Ambiguous) {
            self.end_attempt(node)?;
        }
        match made {
            Ok(entry) => self.record_place(node, expected, entry).await,
            // Whoever made what is there: the planner lets this node take it over.
            Err(error) if error.kind == ErrorKind::Exists => {
                self.refresh_place(parent, name).await?;
                Ok(Outcome::Refreshed)
            }
            Err(error) if error.kind == ErrorKind::Ambiguous => self.after_lost_answer(attempt, error).await,
            Err(error) if error.kind == ErrorKind::NotFound => {
                self.refresh(parent).await?;
                Ok(Outcome::Refreshed)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn move_remote(&self, node: NodeId, expected: &Sides, place: Place) -> Result<Outcome> {
        let Some(rid) = expected.remote.as_ref().and_then(|side| side.rid.clone()) else { return Ok(Outcome::Stale) };
        let Some(parent) = self.parent_rid(&place)? else { return Ok(Outcome::Stale) };
        let Some(attempt) = self.begin_attempt(node, Some(&rid), &parent, &place, Made::Moved).await? else {
            return Ok(Outcome::Refreshed);
        };
        let answer = self.provider.relocate(&rid, &parent, &place.name).await;
        if answer.as_ref().is_err_and(|error| error.kind != ErrorKind::Ambiguous) {
            self.end_attempt(node)?;
        }
        match answer {
            Ok(entry) => self.record_place(node, expected, entry).await,
            Err(error) if error.kind == ErrorKind::Exists => {
                self.refresh(&rid).await?;
                self.refresh_place(&parent, &place.name).await?;
                Ok(Outcome::Refreshed)
            }
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Invalid) => {
                self.refresh(&rid).await?;
                if parent != rid {
                    self.refresh(&parent).await?;
                }
                // An impossible move that is still wanted is a failure of the node.
                if error.kind == ErrorKind::Invalid { Err(error.into()) } else { Ok(Outcome::Refreshed) }
            }
            Err(error) if error.kind == ErrorKind::Ambiguous => self.after_lost_answer(&attempt, error).await,
            Err(error) => Err(error.into()),
        }
    }

    /// The call may have had its effect, or may still have it: the attempt ends only if the effect is found.
    async fn after_lost_answer(&self, attempt: &Attempt, error: ProviderError) -> Result<Outcome> {
        if self.settle_attempt(attempt).await? {
            self.end_attempt(attempt.node)?;
            return Ok(Outcome::Done);
        }
        Err(error.into())
    }

    async fn move_remote_aside(&self, node: NodeId, expected: &Sides) -> Result<Outcome> {
        let Some(side) = &expected.remote else { return Ok(Outcome::Stale) };
        let place = Place { parent: side.place.parent, name: aside_name(node) };
        self.move_remote(node, expected, place).await
    }

    async fn delete_remote(&self, node: NodeId, expected: &Sides, revision: Option<&Revision>) -> Result<Outcome> {
        let Some(rid) = expected.remote.as_ref().and_then(|side| side.rid.clone()) else { return Ok(Outcome::Stale) };
        if self.keep_here(node, expected).await? {
            return Ok(Outcome::Refreshed);
        }
        if expected.kind == NodeKind::File && !self.provider.capabilities().conditional_write {
            match self.check_revision(&rid, revision).await? {
                Checked::AsExpected => {}
                Checked::Gone => return self.record_deletion(node, &rid).await,
                Checked::Other => return Ok(Outcome::Refreshed),
            }
        }
        // A deletion needs no note: what it leaves is what L has. But L must still have it after a power cut.
        self.make_durable().await?;
        match self.provider.delete(&rid, revision).await {
            Ok(()) => self.record_deletion(node, &rid).await,
            Err(error) if matches!(error.kind, ErrorKind::RevisionMismatch | ErrorKind::NotFound) => {
                self.refresh(&rid).await?;
                Ok(Outcome::Refreshed)
            }
            Err(error) if error.kind == ErrorKind::NotEmpty => {
                self.want_pull(Why::Hint);
                Err(error.into())
            }
            Err(error) if error.kind == ErrorKind::Ambiguous => match self.refresh(&rid).await? {
                None => self.record_deletion(node, &rid).await,
                Some(_) => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// For providers that cannot make a write conditional: whether the file is what we think it is, just before we act.
    pub(super) async fn check_revision(&self, rid: &RemoteId, expected: Option<&Revision>) -> Result<Checked> {
        let entry = match self.provider.stat(rid).await {
            Ok(entry) => entry,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(Checked::Gone),
            Err(error) => return Err(error.into()),
        };
        let as_expected = match &entry.body {
            EntryBody::File { revision, .. } => expected.is_none_or(|expected| expected == revision),
            EntryBody::Folder | EntryBody::Symlink { .. } => false,
        };
        if as_expected {
            return Ok(Checked::AsExpected);
        }
        self.observe_only(Batch::looked_at([entry])).await?;
        Ok(Checked::Other)
    }
}

/// What a look before a write found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Checked {
    /// The file is at the expected revision.
    AsExpected,
    /// It is not there.
    Gone,
    /// It is another one; R has been refreshed.
    Other,
}

/// The provider's error kind behind a failure, if it came from the provider.
pub(super) fn provider_kind(error: &SyncError) -> Option<ErrorKind> {
    match error {
        SyncError::Provider(error) => Some(error.kind),
        SyncError::Catalog(_)
        | SyncError::Content(_)
        | SyncError::Io { .. }
        | SyncError::ContentLost(_)
        | SyncError::Worker(_)
        | SyncError::TimedOut
        | SyncError::NoSuchNode(_)
        | SyncError::NothingPending(_)
        | SyncError::Superseded(_)
        | SyncError::PlaceTaken(_) => None,
    }
}
