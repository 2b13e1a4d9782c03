//! Storing a version: small files together with others, files up to the service's limit in one call, larger ones in parts. Always
//! conditional, never renamed by the service: a taken name and a newer version are for the engine to decide.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use super::api::{Call, CallError, Content};
use super::lookup::{Found, not_found};
use super::names;
use super::place::{Root, child_of, file_entry, parent_of, revision_of, unshowable};
use super::state::{Shared, Way};
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

/// Where a version goes.
pub(super) struct Target {
    place: Place,
    /// For people.
    pub(super) subject: String,
}

enum Place {
    /// A new file.
    In { folder: RemoteId, name: EntryName },
    /// The next version of a file.
    Over { id: RemoteId, expected: Revision },
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
        // Nothing is sent for a folder that is not there.
        let folder = self.folder(UPLOAD, root, parent).await?.id;
        let place = Place::In { folder, name: name.clone() };
        let target = Target { place, subject: name.to_string() };
        let stored = match self.copied(root, &target, upload).await {
            Ok(Some(copy)) => Ok(copy),
            Ok(None) => self.store_right(root, &target, upload).await,
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
        for _ in 0..TRIES {
            // Nothing is sent over what is another version by now.
            self.rev_now(root, id, expected).await?;
            let place = Place::Over { id: id.clone(), expected: expected.clone() };
            let target = Target { place, subject: format!("the file {id}") };
            match self.store_right(root, &target, upload).await {
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

    /// Stores the bytes; if other bytes come of it than were sent, once more over these, on the condition that nobody has touched them.
    async fn store_right(
        self: &Arc<Self>,
        root: &Root,
        target: &Target,
        upload: &Upload<'_>,
    ) -> std::result::Result<FileMetadata, CallError> {
        let mut file = self.store(root, target, upload).await?;
        for _ in 1..TRIES {
            if is_what_was_sent(&file, upload) {
                return Ok(file);
            }
            tracing::warn!("Dropbox has stored other bytes than were sent: they are sent again");
            self.saw(&file);
            let place = Place::Over { id: RemoteId(file.id.clone()), expected: revision_of(&file) };
            let over = Target { place, subject: target.subject.clone() };
            file = self.store(root, &over, upload).await?;
        }
        let is_new = matches!(target.place, Place::In { .. });
        if !is_what_was_sent(&file, upload) && is_new && self.take_back(&file, &target.subject).await?.is_none() {
            let text = format!("{}: Dropbox keeps storing other bytes than are sent", target.subject);
            return Err(CallError::Failed(ProviderError::new(ErrorKind::Corrupt, UPLOAD, text)));
        }
        Ok(file)
    }

    /// The bytes on their way, by whichever way suits their size.
    async fn store(
        self: &Arc<Self>,
        root: &Root,
        target: &Target,
        upload: &Upload<'_>,
    ) -> std::result::Result<FileMetadata, CallError> {
        let size = upload.source.size();
        if size > MAX_FILE_BYTES {
            let text = format!("{}: it is larger than Dropbox takes", target.subject);
            return Err(CallError::Failed(ProviderError::new(ErrorKind::Refused, UPLOAD, text)));
        }
        let fragile = size > self.config.part_bytes && (upload.resume.is_some() || self.is_broken(&upload.hash));
        if size >= self.config.single_call_bytes || fragile {
            return self.store_in_parts(root, target, upload).await;
        }
        if size <= self.config.batch_bytes {
            return self.store_small(root, target, upload).await;
        }
        let (way, commit) = self.way_to(root, target, upload).await?;
        let stored = self.store_whole(&commit, &target.subject, upload).await;
        drop(way);
        if let Err(CallError::Failed(error)) = &stored
            && matches!(error.kind, ErrorKind::Ambiguous | ErrorKind::Offline | ErrorKind::Busy)
        {
            // The next attempt can be continued where it breaks.
            self.note_broken(upload.hash);
        }
        stored
    }

    /// The service's revision of a file that is at a version.
    async fn rev_now(&self, root: &Root, id: &RemoteId, expected: &Revision) -> Result<String> {
        if let Some(rev) = self.rev_of(id, expected) {
            return Ok(rev);
        }
        match self.found_by_id(UPLOAD, root, id).await? {
            Some(Found::File { file, .. }) if revision_of(&file) == *expected => Ok(file.rev),
            Some(Found::File { file, .. }) => Err(mismatch(&file.name)),
            Some(Found::Folder { .. }) | None => Err(not_found(UPLOAD, format_args!("the file {id}"))),
        }
    }

    /// What to say of a target: right as long as the way is held, as far as this device moves folders.
    pub(super) async fn way_to(
        &self,
        root: &Root,
        target: &Target,
        upload: &Upload<'_>,
    ) -> std::result::Result<(Way, Commit), CallError> {
        let way = self.way().await;
        let (path, mode) = match &target.place {
            Place::In { folder, name } => {
                let folder = self.folder(UPLOAD, root, folder).await.map_err(CallError::Failed)?;
                (child_of(&folder.path, name), WriteMode::Add)
            }
            Place::Over { id, expected } => {
                let update = self.rev_now(root, id, expected).await.map_err(CallError::Failed)?;
                (id.0.clone(), WriteMode::Update { update })
            }
        };
        let client_modified = upload.modified.to_rfc3339();
        Ok((way, Commit { path, mode, autorename: false, client_modified, mute: true, strict_conflict: true }))
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
        root: &Root,
        target: &Target,
        upload: &Upload<'_>,
    ) -> std::result::Result<FileMetadata, CallError> {
        let subject = target.subject.as_str();
        let sending = self.commits.sending();
        if sending.is_alone {
            let (_way, commit) = self.way_to(root, target, upload).await?;
            if let Some(_turn) = self.commits.turn_now() {
                return self.store_whole(&commit, subject, upload).await;
            }
        }
        let (whole, hash) = (Whole::of(upload), upload.hash.to_hex());
        let length = upload.source.size();
        let content = Content::Large(length, &whole);
        let argument = SessionStart { close: true, session_type: None, content_hash: Some(&hash) };
        let call = Call::read(UPLOAD, subject);
        let started: SessionStarted = self.api.upload("files/upload_session/start", &call, &argument, content).await?;
        drop(sending);
        let cursor = SessionCursor { session_id: started.session_id, offset: length };
        let (way, commit) = self.way_to(root, target, upload).await?;
        match self.commit(SessionFinish { cursor, commit }, subject, way).await {
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
        if !is_what_was_sent(file, upload) {
            let text = format!("{}: Dropbox has stored other bytes than were sent", target.subject);
            return Err(ProviderError::new(ErrorKind::Ambiguous, UPLOAD, text));
        }
        self.saw(file);
        self.note_young(&RemoteId(file.id.clone()));
        let parent = match (target.place, &file.path_lower) {
            (Place::In { folder, .. }, _) => Some(folder),
            (Place::Over { .. }, Some(path)) if root.is(parent_of(path)) => Some(root.id.clone()),
            (Place::Over { .. }, Some(path)) => match self.index(UPLOAD, |index| index.folder_at(parent_of(path)))? {
                Some(known) => Some(known),
                None => self.folder_at(UPLOAD, root, parent_of(path)).await?,
            },
            (Place::Over { .. }, None) => None,
        };
        // Stored, and out of sight at once: it moved out of the vault.
        let Some(parent) = parent else { return Err(not_found(UPLOAD, &file.name)) };
        file_entry(file, parent).ok_or_else(|| unshowable(UPLOAD, &file.name))
    }
}

fn is_what_was_sent(file: &FileMetadata, upload: &Upload<'_>) -> bool {
    file.content_hash.as_deref() == Some(upload.hash.to_hex().as_str())
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
