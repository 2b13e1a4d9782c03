//! Pulling: reads the change feed to its end and applies it. Every way in which R learns something ends in [`Engine::observe`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::announce::Announce;
use super::engine::Engine;
use super::error::{Result, SyncError};
use super::fresh::LAG;
use super::observe::{self, Around, Arrangement, Batch, Identity, Intake};
use super::root::{root_rid, set_root};
use crate::catalog::{FeedState, Txn, View};
use crate::provider::{Change, Cursor, ErrorKind, ProviderError, RemoteEntry};
use crate::sys::failpoint;
use crate::telemetry::metrics;
use crate::types::{EntryName, RemoteId};

/// Most times that doubts of one batch are cleared before the provider is said to contradict itself.
const DOUBT_ROUNDS: usize = 16;
/// Most pages of one run; a feed that never ends is broken.
const MAX_PAGES: usize = 1_000_000;

/// How often a feed that does not tell everything is checked by a full listing.
const RELIST_EVERY: Duration = Duration::from_secs(24 * 3600);

/// A run of the feed.
struct Run {
    /// Told, and not looked at yet.
    told: Vec<Change>,
    intake: Intake,
    /// Rows of R that were made before the end of the run.
    early: u64,
    cursor: Cursor,
    full: bool,
}

/// One attempt to apply a batch: what came of it, or the doubts that keep it from being applied.
type Attempt<T> = std::result::Result<(u64, T), BTreeSet<RemoteId>>;

/// Whether a transaction changes the local tree, and so needs the namespace lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Freeze {
    /// R and S only.
    No,
    /// L too.
    Yes,
}

impl Engine {
    /// Reads everything that changed and applies it with the new cursor in one transaction. Returns the number of rows changed.
    pub(super) async fn pull(&self, force_full: bool) -> Result<u64> {
        self.settle_attempts().await?;
        let changed = self.pull_feed(force_full).await? + self.look_into_opened().await?;
        self.attach_staged()?;
        self.look_after_the_cache().await?;
        Ok(changed)
    }

    /// Other programs fill the disk, too: now is as good a time as any to see that the cache gives way.
    async fn look_after_the_cache(&self) -> Result<()> {
        if self.content.has_too_much() {
            let content = Arc::clone(&self.content);
            if let Err(error) = self.off_thread(u64::MAX, move || content.give_way()).await? {
                tracing::warn!(%error, "cached blocks could not give way");
            }
        }
        Ok(())
    }

    async fn pull_feed(&self, force_full: bool) -> Result<u64> {
        if self.fresh.wants_past() {
            self.fresh.load(self.catalog.read(|view| view.certain())?, self.clock.monotonic());
        }
        let feed = self.catalog.read(|view| view.feed())?;
        let known_root = self.catalog.read(root_rid)?;
        let full = force_full || known_root.is_none() || self.is_relist_due(&feed);
        let from = if full { None } else { feed.cursor.clone() };
        if known_root.is_none() || from.is_none() {
            self.check_root(known_root.as_ref()).await?;
        }
        metrics().pulls.add(1);
        let run = match self.read_run(from.as_ref()).await {
            Err(SyncError::Provider(error)) if error.kind == ErrorKind::CursorReset && from.is_some() => {
                self.check_root(known_root.as_ref()).await?;
                self.read_run(None).await?
            }
            other => other?,
        };
        let (changes, seen) = run.intake.into_parts();
        if changes.is_empty() && run.early == 0 && !run.full && feed.cursor.as_ref() == Some(&run.cursor) {
            return Ok(0);
        }
        if !run.full && changes.iter().any(|change| !matches!(change, Change::Upsert(_))) {
            self.check_root(known_root.as_ref()).await?;
        }
        failpoint::reach("feed-read");
        let names = self.provider.capabilities().names;
        let now = self.clock.now();
        let is_prune_due = self.fresh.prune(self.clock.monotonic());
        let feed = FeedState {
            cursor: Some(run.cursor),
            last_full: if run.full { Some(now) } else { feed.last_full },
            last_pull: Some(now),
        };
        let mut batch = self.catalog.read(|view| observe::fold(view, &names, changes, run.full))?;
        batch.seen = seen;
        let stored = self.observe(batch, Freeze::No, |txn, _| {
            if is_prune_due {
                txn.prune_certain(LAG)?;
            }
            Ok(txn.set_feed(&feed)?)
        });
        stored.await.map(|(changed, ())| run.early + changed)
    }

    /// A feed that keeps quiet about some changes is compared with a full listing now and then.
    fn is_relist_due(&self, feed: &FeedState) -> bool {
        let is_old = feed.last_full.is_none_or(|last| self.clock.now().since(last) >= RELIST_EVERY);
        is_old && !self.provider.capabilities().reports_case_rename
    }

    /// Pages until the end. A full listing is followed by what changed while it ran, so that an entry that moved between two
    /// folders during the listing is not missed.
    async fn read_run(&self, from: Option<&Cursor>) -> Result<Run> {
        let full = from.is_none();
        let cursor = Cursor(String::new());
        let mut run = Run { told: Vec::new(), intake: Intake::default(), early: 0, cursor, full };
        let (mut at, mut listing) = (from.cloned(), full);
        for _ in 0..MAX_PAGES {
            let page = match self.provider.changes(at.as_ref()).await {
                // The listing is complete; its position is found out to be unusable by the next pull, which lists again.
                Err(error) if error.kind == ErrorKind::CursorReset && full && !listing => return self.end_run(run),
                page => page?,
            };
            metrics().remote_changes.add(u64::try_from(page.changes.len()).unwrap_or(u64::MAX));
            run.told.extend(page.changes);
            if run.told.len() >= self.config.portion {
                self.take_in(&mut run, |intake, view, around, told| intake.sort(view, around, told))?;
            }
            at = Some(page.cursor.clone());
            run.cursor = page.cursor;
            if !page.has_more {
                if !listing {
                    return self.end_run(run);
                }
                listing = false;
            }
        }
        Err(ProviderError::new(ErrorKind::Protocol, "list changes", "the change feed does not end").into())
    }

    /// What is left of a run is looked at together, unless it is too much for one transaction.
    fn end_run(&self, mut run: Run) -> Result<Run> {
        if run.intake.is_untouched() {
            run.intake.leave(std::mem::take(&mut run.told));
            return Ok(run);
        }
        self.take_in(&mut run, |intake, view, around, told| intake.sort(view, around, told))?;
        // What was told before its folder.
        while self.take_in(&mut run, |intake, view, around, _| intake.sort_again(view, around))? > 0 {}
        Ok(run)
    }

    /// Puts the additions among what was told into R. Returns how many.
    fn take_in(
        &self,
        run: &mut Run,
        sort: impl FnOnce(&mut Intake, &View<'_>, &Around<'_>, Vec<Change>) -> crate::catalog::Result<Vec<RemoteEntry>>,
    ) -> Result<u64> {
        let now = self.clock.monotonic();
        let fresh = |rid: &RemoteId| self.fresh.is_fresh(rid, now);
        let (intake, told) = (&mut run.intake, std::mem::take(&mut run.told));
        let mut additions = self.catalog.read(|view| {
            let around = Around { names: self.names(), attempts: &view.attempts()?, fresh: &fresh };
            sort(intake, view, &around, told)
        })?;
        let mut count = 0;
        while !additions.is_empty() {
            let rest = additions.split_off(additions.len().min(self.config.portion));
            let placed = std::mem::replace(&mut additions, rest);
            let placed = placed.into_iter().map(|entry| (entry, Identity::New)).collect();
            let arrangement = Arrangement { placed, ..Arrangement::default() };
            count += self.catalog.write(|txn| {
                let count = observe::apply(txn, &arrangement)?;
                run.intake.have_taken(txn, &arrangement)?;
                Ok::<_, SyncError>(count)
            })?;
        }
        run.early += count;
        Ok(count)
    }

    /// A vault whose root is another folder, or none, is not an empty vault.
    async fn check_root(&self, known: Option<&RemoteId>) -> Result<()> {
        let root = self.provider.root().await?;
        match known {
            None => Ok(self.catalog.write(|txn| set_root(txn, &root))?),
            Some(known) if *known == root.id => Ok(()),
            Some(known) => Err(ProviderError::new(
                ErrorKind::RootMissing,
                "open vault",
                format!("the vault's folder is {}, expected {known}", root.id),
            )
            .into()),
        }
    }

    /// Finds out what in a batch is our own work, clears its doubts by asking, then applies it together with `also` in one transaction.
    /// What the batch confirms is known for certain from now on. Returns how many rows of R changed and what `also` returned.
    pub(super) async fn observe<T>(
        &self,
        mut batch: Batch,
        freeze: Freeze,
        also: impl FnOnce(&Txn<'_>, &mut Announce<'_>) -> Result<T> + Send,
    ) -> Result<(u64, T)> {
        let mut also = Some(also);
        for rid in &batch.confirmed {
            self.fresh.mark(rid, self.clock.monotonic());
        }
        for _ in 0..DOUBT_ROUNDS {
            self.claim_attempts(&mut batch).await?;
            let doubts = match self.try_apply(&batch, freeze, &mut also)? {
                Ok(done) => return Ok(done),
                Err(doubts) => doubts,
            };
            for rid in doubts {
                match self.provider.stat(&rid).await {
                    Ok(entry) => batch.confirm(entry),
                    Err(error) if error.kind == ErrorKind::NotFound => batch.confirm_gone(rid.clone()),
                    Err(error) => return Err(error.into()),
                }
                self.fresh.mark(&rid, self.clock.monotonic());
            }
        }
        let contradiction =
            ProviderError::new(ErrorKind::Protocol, "list changes", "the provider contradicts itself about places");
        Err(contradiction.into())
    }

    /// One attempt: `Err` holds the doubts, and nothing was changed.
    fn try_apply<T, F>(&self, batch: &Batch, freeze: Freeze, also: &mut Option<F>) -> Result<Attempt<T>>
    where
        F: FnOnce(&Txn<'_>, &mut Announce<'_>) -> Result<T>,
    {
        let now = self.clock.monotonic();
        let fresh = |rid: &RemoteId| self.fresh.is_fresh(rid, now);
        // R is written by this task alone, so that what is read here is still true below.
        let arrangement =
            self.catalog.read(|view| observe::arrange(view, self.provider.capabilities(), batch, &fresh))?;
        if !arrangement.doubts.is_empty() {
            return Ok(Err(arrangement.doubts));
        }
        let (device, Arrangement { placed, removed, .. }) = (&self.config.device, &arrangement);
        tracing::debug!(device, ?placed, ?removed, "observed");
        let frozen = match freeze {
            Freeze::No => None,
            Freeze::Yes => Some(self.local.freeze()),
        };
        let mut announce = Announce::new(frozen.as_deref());
        let done = self.catalog.write(|txn| {
            let changed = observe::apply(txn, &arrangement)?;
            for rid in &batch.confirmed {
                txn.put_certain(rid)?;
            }
            self.take_outcomes(txn)?;
            let Some(also) = also.take() else { unreachable!("a batch is applied once") };
            Ok::<_, SyncError>((changed, also(txn, &mut announce)?))
        })?;
        self.discard_staged(announce.send());
        self.report_feed_problems(arrangement.problems);
        Ok(Ok(done))
    }

    /// Applies what was just looked at; nothing else belongs to it.
    pub(super) async fn observe_only(&self, batch: Batch) -> Result<()> {
        self.observe(batch, Freeze::No, |_, _| Ok(())).await.map(|_| ())
    }

    /// Looks at one entry and records what is there.
    pub(super) async fn refresh(&self, rid: &RemoteId) -> Result<Option<RemoteEntry>> {
        let mut batch = Batch::default();
        let found = match self.provider.stat(rid).await {
            Ok(entry) => {
                batch.confirm(entry.clone());
                Some(entry)
            }
            Err(error) if error.kind == ErrorKind::NotFound => {
                batch.confirm_gone(rid.clone());
                None
            }
            Err(error) => return Err(error.into()),
        };
        self.observe_only(batch).await?;
        Ok(found)
    }

    /// Looks at one place and records what is there.
    pub(super) async fn refresh_place(&self, parent: &RemoteId, name: &EntryName) -> Result<Option<RemoteEntry>> {
        let found = self.find(parent, name).await?;
        if let Some(entry) = &found {
            self.observe_only(Batch::looked_at([entry.clone()])).await?;
        }
        Ok(found)
    }

    /// What is at a place; a folder that is gone holds nothing, and that it is gone is recorded.
    pub(super) async fn find(&self, parent: &RemoteId, name: &EntryName) -> Result<Option<RemoteEntry>> {
        match self.provider.find(parent, name).await {
            Ok(found) => Ok(found),
            Err(error) if error.kind == ErrorKind::NotFound => {
                self.refresh(parent).await?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}
