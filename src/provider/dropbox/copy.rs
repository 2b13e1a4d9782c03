//! A new file whose bytes are in the account already: the service copies it, and nothing is sent.
//!
//! The service copies what a file holds at that moment; there is no condition. So the source is looked at before, and the copy after: if
//! somebody was faster, the copy is taken back, on the condition that nobody has used it since, and the bytes are sent after all.

use super::api::{Call, CallError};
use super::lookup::Found;
use super::place::{Root, as_path, revision_of};
use super::state::Shared;
use super::upload::{Target, UPLOAD};
use super::wire::{Changed, Delete, FileMetadata, Metadata, Relocate};
use crate::provider::{CopySource, ErrorKind, ProviderError, Upload};

type Result<T> = std::result::Result<T, CallError>;

/// Refusals that sending the bytes would meet as well, or of which it is not known that nothing was done. All others are about the source
/// or about copying.
const FINAL: [&str; 4] = ["to", "insufficient_quota", "too_many_write_operations", "internal_error"];

impl Shared {
    /// The new file at `target`, made from a file that has the same bytes. `None`: there is no such file any more, and nothing was done.
    pub(super) async fn copied(
        &self,
        root: &Root,
        target: &Target,
        upload: &Upload<'_>,
    ) -> Result<Option<FileMetadata>> {
        let Some(from) = self.copyable(root, upload).await? else { return Ok(None) };
        let (way, commit) = self.way_to(root, target, upload).await?;
        let call = Call::write(UPLOAD, &target.subject);
        let argument = Relocate { from_path: &from, to_path: &commit.path, autorename: false };
        let turn = self.commits.turn().await;
        let copied: Result<Changed<Metadata>> = self.api.rpc("files/copy_v2", &call, &argument).await;
        drop((turn, way));
        match copied {
            Ok(Changed { metadata: Metadata::File(file) }) if holds(&file, upload) => Ok(Some(file)),
            Ok(Changed { metadata: Metadata::File(file) }) => self.take_back(&file, &target.subject).await,
            Ok(Changed { metadata: Metadata::Folder(_) | Metadata::Deleted(_) | Metadata::Unknown }) => {
                Err(unknown(&target.subject, "Dropbox copied something, and not as it was asked to"))
            }
            Err(CallError::Refused(refusal)) if !FINAL.iter().any(|tag| refusal.has(tag)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What to copy from, if it is in the vault and holds the bytes.
    async fn copyable(&self, root: &Root, upload: &Upload<'_>) -> Result<Option<String>> {
        let Some(CopySource { id, revision }) = &upload.copy_of else { return Ok(None) };
        let Some(from) = as_path(id) else { return Ok(None) };
        match self.found(UPLOAD, root, from).await {
            Ok(Some(Found::File { file, .. })) if revision_of(&file) == *revision && holds(&file, upload) => {
                Ok(Some(from.to_owned()))
            }
            Ok(Some(Found::File { .. } | Found::Folder { .. }) | None) => Ok(None),
            // It may not be looked at, or is of a kind that nobody knows: no matter for the new file.
            Err(error) if matches!(error.kind, ErrorKind::Forbidden | ErrorKind::Protocol) => Ok(None),
            Err(error) => Err(CallError::Failed(error)),
        }
    }

    /// A file that was just made, and holds what it should not, is deleted unless somebody has used it already.
    pub(super) async fn take_back(&self, copy: &FileMetadata, subject: &str) -> Result<Option<FileMetadata>> {
        let call = Call::write(UPLOAD, subject);
        let argument = Delete { path: &copy.id, parent_rev: Some(&copy.rev) };
        let turn = self.commits.turn().await;
        let deleted: Result<Changed<Metadata>> = self.api.rpc("files/delete_v2", &call, &argument).await;
        drop(turn);
        match deleted {
            Ok(_) => Ok(None),
            // Somebody has used it already, or it is not known what became of it.
            Err(_) => Err(unknown(subject, "it holds other bytes than it should, and could not be taken back")),
        }
    }
}

fn holds(file: &FileMetadata, upload: &Upload<'_>) -> bool {
    file.content_hash.as_deref() == Some(upload.hash.to_hex().as_str())
}

fn unknown(subject: &str, what: &str) -> CallError {
    CallError::Failed(ProviderError::new(ErrorKind::Ambiguous, UPLOAD, format!("{subject}: {what}")))
}
