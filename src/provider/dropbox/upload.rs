//! Storing a version: small files together with others, files up to the service's limit in one call, larger ones in parts. Always
//! conditional, never renamed by the service: a taken name and a newer version are for the engine to decide.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use super::api::{Call, CallError, Content};
use super::lookup::{Found, not_found};
use super::names;
use super::place::{Root, as_path, child_of, file_entry, parent_of, revision_of, unshowable};
use super::state::Shared;
use super::wire::{
    Commit, FileMetadata, SessionCursor, SessionFinish, SessionStart, SessionStarted, UploadWhole, WriteMode,
};
use crate::provider::http::Pieces;
use crate::provider::{ErrorKind, ProviderError, RemoteEntry, Result, Upload, UploadObserver, UploadTarget};
use crate::types::{EntryName, RemoteId, Revision};

pub(super) const UPLOAD: &str = "upload";

/// The service's limit.
pub(super) const MAX_FILE_BYTES: u64 = (1 << 41) - (1 << 22);

/// How often a write over a file is tried whose service revision changes while its content does not.
const TRIES: usize = 3;

/// Where a version goes, in the service's words.
pub(super) struct Target {
    pub(super) path: String,
    pub(super) mode: WriteMode,
    /// For people.
    pub(super) subject: String,
    /// The folder, where it is known.
    parent: Option<RemoteId>,
}

/// Tells an observer of progress, which never goes back.
pub(super) struct Progress<'a> {
    observer: &'a dyn UploadObserver,
    furthest: AtomicU64,
}

impl<'a> Progress<'a> {
    pub(super) fn new(observer: &'a dyn UploadObserver) -> Self {
        Self { observer, furthest: AtomicU64::new(0) }
    }

    pub(super) fn reached(&self, sent: u64) {
        if self.furthest.fetch_max(sent, Ordering::Relaxed) < sent {
            self.observer.progressed(sent);
        }
    }
}

/// All bytes of an upload, in one request.
struct Whole<'a> {
    upload: &'a Upload<'a>,
    progress: Progress<'a>,
}

impl<'a> Whole<'a> {
    fn of(upload: &'a Upload<'a>) -> Self {
        Self { upload, progress: Progress::new(upload.observer) }
    }
}

#[async_trait]
impl Pieces for Whole<'_> {
    async fn grant(&self, wanted: u64) -> u64 {
        self.upload.observer.grant(wanted).await
    }

    fn read(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.upload.source.read_at(at, buffer)
    }

    fn sent(&self, bytes: u64) {
        self.progress.reached(bytes);
    }
}

impl Shared {
    /// [`crate::provider::Provider::upload`].
    pub(super) async fn upload(self: &Arc<Self>, upload: Upload<'_>) -> Result<RemoteEntry> {
        let root = self.root().await?;
        match &upload.target {
            UploadTarget::Create { parent, name } => self.create(&root, parent, name, &upload).await,
            UploadTarget::Replace { id, expected } => self.replace(&root, id, expected, &upload).await,
        }
    }

    async fn create(
        self: &Arc<Self>,
        root: &Root,
        parent: &RemoteId,
        name: &EntryName,
        upload: &Upload<'_>,
    ) -> Result<RemoteEntry> {
        names::check(UPLOAD, name)?;
        let folder = self.folder(UPLOAD, root, parent).await?;
        let target = Target {
            path: child_of(&folder.path, name),
            mode: WriteMode::Add,
            subject: name.to_string(),
            parent: Some(folder.id),
        };
        let stored = match self.copied(root, &target, upload).await {
            Ok(Some(copy)) => Ok(copy),
            Ok(None) => self.store(&target, upload).await,
            Err(error) => Err(error),
        };
        match stored {
            Ok(file) => self.stored(root, target, &file, upload).await,
            Err(error) if error.has("file_ancestor") => {
                self.disbelieve();
                Err(not_found(UPLOAD, format_args!("the folder of {name}")))
            }
            Err(error) => Err(error.into_error(&Call::write(UPLOAD, &target.subject))),
        }
    }

    /// The service's revision of a version is what a write is conditional on. It changes when the file moves: then the content decides.
    async fn replace(
        self: &Arc<Self>,
        root: &Root,
        id: &RemoteId,
        expected: &Revision,
        upload: &Upload<'_>,
    ) -> Result<RemoteEntry> {
        let gone = || not_found(UPLOAD, format_args!("the file {id}"));
        let Some(path) = as_path(id) else { return Err(gone()) };
        let mut rev = self.rev_of(id, expected);
        for _ in 0..TRIES {
            let update = match rev.take() {
                Some(rev) => rev,
                None => match self.found_by_id(UPLOAD, root, id).await? {
                    Some(Found::File { file, .. }) if revision_of(&file) == *expected => file.rev,
                    Some(Found::File { file, .. }) => return Err(mismatch(&file.name)),
                    Some(Found::Folder { .. }) | None => return Err(gone()),
                },
            };
            let target = Target {
                path: path.to_owned(),
                mode: WriteMode::Update { update },
                subject: format!("the file {id}"),
                parent: None,
            };
            match self.store(&target, upload).await {
                Ok(file) => return self.stored(root, target, &file, upload).await,
                // To a write, the id of a file that is gone is no path at all.
                Err(error) if ["conflict", "not_found", "malformed_path"].iter().any(|tag| error.has(tag)) => {
                    self.forget_rev(id, expected);
                }
                Err(error) => return Err(error.into_error(&Call::write(UPLOAD, &target.subject))),
            }
        }
        Err(mismatch(&id.0))
    }

    /// The bytes on their way, by whichever way suits their size.
    async fn store(
        self: &Arc<Self>,
        target: &Target,
        upload: &Upload<'_>,
    ) -> std::result::Result<FileMetadata, CallError> {
        let size = upload.source.size();
        if size > MAX_FILE_BYTES {
            let text = format!("{}: it is larger than Dropbox takes", target.subject);
            return Err(CallError::Failed(ProviderError::new(ErrorKind::Refused, UPLOAD, text)));
        }
        let commit = Commit {
            path: target.path.clone(),
            mode: target.mode.clone(),
            autorename: false,
            client_modified: upload.modified.to_rfc3339(),
            mute: true,
            strict_conflict: true,
        };
        let fragile = size > self.config.part_bytes && (upload.resume.is_some() || self.is_broken(&upload.hash));
        if size >= self.config.single_call_bytes || fragile {
            return self.store_in_parts(commit, &target.subject, upload).await;
        }
        if size <= self.config.batch_bytes {
            return self.store_small(commit, &target.subject, upload).await;
        }
        let stored = self.store_whole(&commit, &target.subject, upload).await;
        if let Err(CallError::Failed(error)) = &stored
            && matches!(error.kind, ErrorKind::Ambiguous | ErrorKind::Offline | ErrorKind::Busy)
        {
            // The next attempt can be continued where it breaks.
            self.note_broken(upload.hash);
        }
        stored
    }

    async fn store_whole(
        &self,
        commit: &Commit,
        subject: &str,
        upload: &Upload<'_>,
    ) -> std::result::Result<FileMetadata, CallError> {
        let (whole, hash) = (Whole::of(upload), upload.hash.to_hex());
        let content = Content::Large(upload.source.size(), &whole);
        let argument = UploadWhole { commit, content_hash: &hash };
        self.api.upload("files/upload", &Call::write(UPLOAD, subject), &argument, content).await
    }

    /// Alone, a small file is one call. While others are on their way, or are being committed, it sends its bytes and joins the next commit.
    async fn store_small(
        self: &Arc<Self>,
        commit: Commit,
        subject: &str,
        upload: &Upload<'_>,
    ) -> std::result::Result<FileMetadata, CallError> {
        let sending = self.commits.sending();
        if sending.is_alone
            && let Some(_turn) = self.commits.turn_now()
        {
            return self.store_whole(&commit, subject, upload).await;
        }
        let (whole, hash) = (Whole::of(upload), upload.hash.to_hex());
        let length = upload.source.size();
        let content = Content::Large(length, &whole);
        let argument = SessionStart { close: true, session_type: None, content_hash: Some(&hash) };
        let call = Call::read(UPLOAD, subject);
        let started: SessionStarted = self.api.upload("files/upload_session/start", &call, &argument, content).await?;
        drop(sending);
        let cursor = SessionCursor { session_id: started.session_id, offset: length };
        match self.commit(SessionFinish { cursor, commit }, subject).await {
            Err(error) if error.has("lookup_failed") => Err(lost_session(subject)),
            outcome => outcome,
        }
    }

    /// The entry that was stored; its hash is what was asked for.
    async fn stored(
        &self,
        root: &Root,
        target: Target,
        file: &FileMetadata,
        upload: &Upload<'_>,
    ) -> Result<RemoteEntry> {
        if file.content_hash.as_deref() != Some(upload.hash.to_hex().as_str()) {
            let text = format!("{}: Dropbox has stored other bytes than were sent", target.subject);
            return Err(ProviderError::new(ErrorKind::Ambiguous, UPLOAD, text));
        }
        self.saw(file);
        self.note_young(&RemoteId(file.id.clone()));
        let parent = match (target.parent, &file.path_lower) {
            (Some(parent), _) => Some(parent),
            (None, Some(path)) if root.is(parent_of(path)) => Some(root.id.clone()),
            (None, Some(path)) => match self.index(UPLOAD, |index| index.folder_at(parent_of(path)))? {
                Some(known) => Some(known),
                None => self.folder_at(UPLOAD, root, parent_of(path)).await?,
            },
            (None, None) => None,
        };
        // Stored, and out of sight at once: it moved out of the vault.
        let Some(parent) = parent else { return Err(not_found(UPLOAD, &file.name)) };
        file_entry(file, parent).ok_or_else(|| unshowable(UPLOAD, &file.name))
    }
}

fn mismatch(thing: &str) -> ProviderError {
    ProviderError::new(ErrorKind::RevisionMismatch, UPLOAD, format!("{thing} has another content by now"))
}

/// The session has gone before its commit: nothing was stored.
pub(super) fn lost_session(subject: &str) -> CallError {
    let text = format!("{subject}: Dropbox has lost the upload; it is sent again");
    CallError::Failed(ProviderError::new(ErrorKind::Busy, UPLOAD, text))
}

/// A part of a source, in memory.
pub(super) fn read_part(
    upload: &Upload<'_>,
    at: u64,
    length: u64,
    subject: &str,
) -> std::result::Result<Bytes, CallError> {
    let mut part = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    upload.source.read_at(at, &mut part).map(|()| Bytes::from(part)).map_err(|error| {
        let text = format!("{subject}: its bytes cannot be read on this machine");
        CallError::Failed(ProviderError::new(ErrorKind::Busy, UPLOAD, text).caused_by(error))
    })
}
