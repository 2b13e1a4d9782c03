//! The feed: a full listing page by page, what changed since a place of it, and waiting for changes.
//!
//! What changed is read to its end and folded before any of it is told: a deletion is told by path, and only the whole run says what it
//! means. A run that does not end in reasonable time is answered by a full listing.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::api::{Call, CallError};
use super::fold::{AboutRoot, Gone, Present, Run};
use super::index::FolderChanges;
use super::listing::{Listing, tell};
use super::place::{Root, parent_of};
use super::shown::shown;
use super::state::Shared;
use super::wire::{ContinueFrom, ListFolder, Listing as Page, Longpoll, LongpollAnswer};
use crate::provider::{Change, ChangePage, Cursor, ErrorKind, ProviderError, Result};
use crate::types::RemoteId;

const CHANGES: &str = "list changes";
const WAIT: &str = "wait for changes";

/// Entries of one page that we ask for; a page may have a few more.
const PAGE_ENTRIES: u32 = 2000;
/// Pages of one run of changes; beyond, a full listing is cheaper.
const MAX_RUN_PAGES: usize = 300;
/// Bounds of the service for a long poll.
const SHORTEST_POLL: u64 = 30;
const LONGEST_POLL: u64 = 480;
/// The service answers up to this much later than asked.
const POLL_JITTER: Duration = Duration::from_secs(95);
/// A long poll that lasted this long and breaks was cut by something in between: poll again.
const CUT_AFTER: Duration = Duration::from_secs(15);

impl Shared {
    /// [`crate::provider::Provider::changes`].
    pub(super) async fn changes(self: &Arc<Self>, cursor: Option<&Cursor>) -> Result<ChangePage> {
        let mut listing = self.listing.lock().await;
        let Some(cursor) = cursor else {
            let root = self.find_root().await?;
            let call = Call::read(CHANGES, &self.config.folder.path);
            let argument = ListFolder { path: &root.path, recursive: true, limit: Some(PAGE_ENTRIES) };
            let page = self.api.rpc("files/list_folder", &call, &argument).await;
            let page = page.map_err(|error| self.of_listing(error, &call))?;
            return self.listed(Listing::new(), &root, page, &mut listing).await;
        };
        let root = self.root().await?;
        if let Some(under_way) = listing.take_if(|listing| listing.next == *cursor) {
            let page = self.next_page(&cursor.0).await?;
            return self.listed(under_way, &root, page, &mut listing).await;
        }
        let Some(since) = self.index(CHANGES, |index| index.place(cursor))? else {
            return Err(reset("this place in the list of changes is not known here"));
        };
        self.run(&root, cursor, since).await
    }

    async fn next_page(&self, cursor: &str) -> Result<Page> {
        let call = Call::continuing(CHANGES);
        let page = self.api.rpc("files/list_folder/continue", &call, &ContinueFrom { cursor }).await;
        page.map_err(|error| self.of_listing(error, &call))
    }

    /// A refusal to list: the folder is gone, or the place is. What is not known is taken for a lost place.
    fn of_listing(&self, error: CallError, call: &Call<'_>) -> ProviderError {
        let is_about_folder = error.has("not_found") || error.has("not_folder");
        match error {
            CallError::Refused(_) if is_about_folder => self.root_missing(),
            CallError::Refused(refusal) => match refusal.into_error(call.operation, call.subject) {
                error if error.kind == ErrorKind::Protocol => ProviderError { kind: ErrorKind::CursorReset, ..error },
                error => error,
            },
            CallError::Failed(error) => error,
        }
    }

    fn root_missing(&self) -> ProviderError {
        let text = format!(
            "the vault's folder {} is no longer there in Dropbox. Nothing is deleted here; put it back there",
            self.config.folder
        );
        ProviderError::new(ErrorKind::RootMissing, CHANGES, text)
    }

    /// A vault whose folder has gone, or has become another one, is not an empty vault.
    fn check_root(&self, root: &Root, told: Option<&AboutRoot>) -> Result<()> {
        match told {
            None => Ok(()),
            Some(AboutRoot::IsFolder(id)) if *id == root.id.0 => Ok(()),
            Some(AboutRoot::IsFolder(_) | AboutRoot::IsGone) => Err(self.root_missing()),
        }
    }

    /// A page of a full listing has come.
    async fn listed(
        self: &Arc<Self>,
        mut listing: Listing,
        root: &Root,
        page: Page,
        under_way: &mut Option<Listing>,
    ) -> Result<ChangePage> {
        let mut changes = listing.add(root, page.entries);
        self.check_root(root, listing.about_root.as_ref())?;
        let cursor = Cursor(page.cursor);
        if page.has_more {
            listing.next = cursor.clone();
            *under_way = Some(listing);
            return Ok(ChangePage { changes, cursor, has_more: true });
        }
        for path in listing.unknown_parents() {
            if let Some(id) = self.folder_at(CHANGES, root, &path).await? {
                changes.extend(listing.found(root, &path, id));
            }
        }
        let (folders, place) = (listing.into_folders(), cursor.clone());
        self.index_at_length(CHANGES, move |index| index.replace(&folders, &place)).await?;
        Ok(ChangePage { changes, cursor, has_more: false })
    }

    /// Everything since a place, folded.
    async fn run(self: &Arc<Self>, root: &Root, from: &Cursor, since: i64) -> Result<ChangePage> {
        let mut run = Run::default();
        let mut cursor = from.0.clone();
        for _ in 0..MAX_RUN_PAGES {
            let page = self.next_page(&cursor).await?;
            run.add(root, page.entries);
            cursor = page.cursor;
            if !page.has_more {
                let place = Cursor(cursor);
                return self.told(root, run, since, place).await;
            }
        }
        Err(reset("too much has changed"))
    }

    /// A folded run, in the words of the trait.
    async fn told(self: &Arc<Self>, root: &Root, run: Run, since: i64, cursor: Cursor) -> Result<ChangePage> {
        self.check_root(root, run.about_root.as_ref())?;
        let (gone, present) = run.finish();
        if gone.is_empty() && present.is_empty() {
            let place = cursor.clone();
            self.index(CHANGES, move |index| index.apply(&FolderChanges::default(), &place))?;
            return Ok(ChangePage { changes: Vec::new(), cursor, has_more: false });
        }
        // Most of it is what this device has just sent, and says nothing of the folders that it was sent to.
        self.disbelieve_at(&gone.iter().map(|one| &*one.path).chain(present.iter().map(|(path, _)| &**path)).collect());
        let arrived: std::collections::HashMap<&str, &str> = present
            .iter()
            .filter_map(|(path, entry)| match entry {
                Present::Folder(folder) => Some((path.as_str(), folder.id.as_str())),
                Present::File(_) => None,
            })
            .collect();
        let mut changes = Vec::with_capacity(gone.len() + present.len());
        for one in &gone {
            let parents = self.parents_of_gone(root, one, since, arrived.get(one.parent()).copied())?;
            if let Some(name) = shown(&one.name) {
                changes.extend(parents.into_iter().map(|parent| Change::RemovedAt { parent, name: name.clone() }));
            }
        }
        let vanished: std::collections::HashSet<&str> = gone.iter().map(|one| one.path.as_str()).collect();
        let mut asked: std::collections::HashMap<String, Option<RemoteId>> = std::collections::HashMap::new();
        let mut homes = Vec::with_capacity(present.len());
        for (path, _) in &present {
            let parent = parent_of(path);
            let known = match arrived.get(parent) {
                _ if root.is(parent) => Some(root.id.clone()),
                Some(id) => Some(RemoteId((*id).to_owned())),
                None if vanished.contains(parent) => None,
                None => self.index(CHANGES, |index| index.folder_at(parent))?,
            };
            let home = match (known, asked.get(parent)) {
                (Some(id), _) => Some(id),
                (None, Some(answer)) => answer.clone(),
                (None, None) => {
                    let answer = self.folder_at(CHANGES, root, parent).await?;
                    asked.insert(parent.to_owned(), answer.clone());
                    answer
                }
            };
            homes.push(home);
        }
        let folders = FolderChanges {
            // A file where a folder was has nothing below it.
            removed: gone
                .iter()
                .map(|one| one.path.clone())
                .chain(
                    present.iter().filter(|(_, entry)| matches!(entry, Present::File(_))).map(|(path, _)| path.clone()),
                )
                .collect(),
            present: arrived.iter().map(|(path, id)| ((*path).to_owned(), RemoteId((*id).to_owned()))).collect(),
        };
        for ((_, entry), home) in present.into_iter().zip(homes) {
            if let Present::File(file) = &entry {
                self.saw(file);
            }
            match home {
                Some(parent) => tell(entry, parent, &mut changes),
                // Its folder has gone again: the feed will say so.
                None => tracing::debug!("an entry was told whose folder is not there"),
            }
        }
        let place = cursor.clone();
        self.index_at_length(CHANGES, move |index| index.apply(&folders, &place)).await?;
        Ok(ChangePage { changes, cursor, has_more: false })
    }

    /// Every folder that may have held what was deleted at a path: what is at the path now is not told as deleted, and what moved away
    /// with its folder is told as arrived.
    fn parents_of_gone(&self, root: &Root, gone: &Gone, since: i64, arrived: Option<&str>) -> Result<Vec<RemoteId>> {
        if root.is(gone.parent()) {
            return Ok(vec![root.id.clone()]);
        }
        let mut parents = self.index(CHANGES, |index| index.folders_since(gone.parent(), since))?;
        if let Some(id) = arrived.filter(|id| parents.iter().all(|known| known.0 != *id)) {
            parents.push(RemoteId(id.to_owned()));
        }
        Ok(parents)
    }

    /// [`crate::provider::Provider::wait_for_changes`].
    pub(super) async fn wait(&self, cursor: &Cursor, timeout: Duration) -> Result<()> {
        let end = Instant::now() + timeout;
        let wished = *self.next_wait.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wished) = wished {
            tokio::time::sleep_until(wished.min(end)).await;
        }
        let (started, seconds) = (Instant::now(), timeout.as_secs().clamp(SHORTEST_POLL, LONGEST_POLL));
        let call = Call::continuing(WAIT);
        let argument = Longpoll { cursor: &cursor.0, timeout: seconds };
        let patience = Duration::from_secs(seconds) + POLL_JITTER;
        let poll = self.api.notify("files/list_folder/longpoll", &call, &argument, patience);
        let answer: LongpollAnswer = match tokio::time::timeout_at(end, poll).await {
            Err(_) => return Ok(()),
            Ok(Ok(answer)) => answer,
            // The pull finds out what is the matter with the place.
            Ok(Err(CallError::Refused(_))) => return Ok(()),
            Ok(Err(CallError::Failed(error))) if error.kind == ErrorKind::CursorReset => return Ok(()),
            Ok(Err(CallError::Failed(_))) if started.elapsed() >= CUT_AFTER => return Ok(()),
            Ok(Err(CallError::Failed(error))) => return Err(error),
        };
        let wished = answer.backoff.map(|seconds| Instant::now() + Duration::from_secs(seconds.min(LONGEST_POLL)));
        *self.next_wait.lock().unwrap_or_else(PoisonError::into_inner) = wished;
        tracing::debug!(changes = answer.changes, "the wait for changes ended");
        Ok(())
    }
}

fn reset(why: &str) -> ProviderError {
    ProviderError::new(ErrorKind::CursorReset, CHANGES, format!("{why}: everything is listed again"))
}
