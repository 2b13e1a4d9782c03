//! The change feed: a cursor is a number in the index's log. Every pull first brings the index up to date with the disk,
//! and a missing root is told before anything else.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::provider::{Change, ChangePage, Cursor, ErrorKind, ProviderError, Result};

use super::blocking;
use super::error::index_error;
use super::index::{self, Index, Logged};
use super::state::Local;
use super::watch::{Watching, Work};

const CHANGES: &str = "list changes";
/// Entries of one page.
const PAGE: usize = 1000;

/// A place in the feed.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Position {
    /// Which database the numbers are of.
    epoch: String,
    /// Changes up to this number have been told.
    seq: i64,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Look at the disk, then tell what is new.
    Pull,
    /// In the middle of telling.
    More,
    /// In the middle of a full listing, after this row.
    Listing(i64),
}

impl From<Position> for Cursor {
    fn from(Position { epoch, seq, stage }: Position) -> Self {
        Self(match stage {
            Stage::Pull => format!("{epoch}:{seq}"),
            Stage::More => format!("{epoch}:{seq}:more"),
            Stage::Listing(row) => format!("{epoch}:{seq}:{row}"),
        })
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let mut parts = text.split(':');
        let (epoch, seq) = (parts.next().ok_or(())?.to_owned(), parts.next().ok_or(())?);
        let stage = match parts.next() {
            None => Stage::Pull,
            Some("more") => Stage::More,
            Some(row) => Stage::Listing(row.parse().map_err(|_| ())?),
        };
        Ok(Self { epoch, seq: seq.parse().map_err(|_| ())?, stage })
    }
}

impl Position {
    fn of(cursor: &Cursor, index: &Index) -> Result<Self> {
        let reset = || ProviderError::new(ErrorKind::CursorReset, CHANGES, "the feed was started anew");
        let position: Self = cursor.0.parse().map_err(|()| reset())?;
        if position.epoch != index.epoch() || !index.reaches_back_to(position.seq) {
            return Err(reset());
        }
        Ok(position)
    }
}

/// One page of changes.
pub(super) async fn changes(local: &Arc<Local>, cursor: Option<&Cursor>) -> Result<ChangePage> {
    let cursor = cursor.cloned();
    let known = move |local: &Arc<Local>| cursor.map(|cursor| Position::of(&cursor, &local.index())).transpose();
    let position = blocking(CHANGES, local, known).await?;
    match &position {
        Some(Position { stage: Stage::More | Stage::Listing(_), .. }) => {
            blocking(CHANGES, local, |local| local.root(CHANGES).map(|_| ())).await?;
        }
        Some(Position { stage: Stage::Pull, .. }) => refresh(local, false).await?,
        None => refresh(local, true).await?,
    }
    blocking(CHANGES, local, move |local| local.page(position).map_err(|error| index_error(CHANGES, error))).await
}

/// One scan at a time. A scan goes on when nobody waits for it any more, so that a caller with less patience than a huge
/// tree needs finds it done when it comes again.
async fn refresh(local: &Arc<Local>, everything: bool) -> Result<()> {
    let seen = local.full_scans();
    let turn = Arc::clone(&local.turn).lock_owned().await;
    blocking(CHANGES, local, move |local| {
        let _turn = turn;
        // Also the check that the root is there.
        local.root(CHANGES)?;
        let full = everything && local.full_scans() == seen;
        let due = local.dirty.take();
        let Some(work) = (if full { Some(Work::Everything) } else { due }) else { return Ok(()) };
        let started = Instant::now();
        match local.scan(&work, CHANGES) {
            Ok(()) if work == Work::Everything => {
                local.dirty.scanned(started.elapsed());
                local.count_full_scan();
            }
            Ok(()) => {}
            Err(error) => {
                local.dirty.put_back(work);
                return Err(error);
            }
        }
        Ok(())
    })
    .await
}

/// Returns when there is something to pull.
pub(super) async fn wait(local: &Arc<Local>, cursor: &Cursor, timeout: Duration) -> Result<()> {
    let cursor = cursor.clone();
    let up_to_date = blocking(CHANGES, local, move |local| {
        // Starts listening, if the program or the disk has just come up.
        local.root(CHANGES)?;
        let index = local.index();
        // A cursor that is of no use is told by the pull.
        Ok(Position::of(&cursor, &index).is_ok_and(|position| position.seq >= index.seq()))
    });
    if up_to_date.await? {
        local.dirty.wait(timeout).await;
    }
    Ok(())
}

impl Local {
    fn page(&self, position: Option<Position>) -> rusqlite::Result<ChangePage> {
        let index = self.index();
        let epoch = index.epoch().to_owned();
        let position = position.unwrap_or_else(|| Position { epoch, seq: index.seq(), stage: Stage::Listing(0) });
        match position.stage {
            Stage::Listing(after) => list_page(&index, position, after),
            Stage::Pull | Stage::More => log_page(&index, position),
        }
    }

    /// How changes are noticed at present.
    pub(super) fn watching(&self) -> Watching {
        self.dirty.watching()
    }
}

fn list_page(index: &Index, position: Position, after: i64) -> rusqlite::Result<ChangePage> {
    let rows = index::entries_after(index.connection(), after, PAGE)?;
    let last = rows.last().filter(|_| rows.len() == PAGE).map(|row| row.row);
    let entries = rows.into_iter().map(|row| Local::entry(index.connection(), row).map(Change::Upsert));
    let changes = entries.collect::<rusqlite::Result<_>>()?;
    let stage = last.map_or(Stage::Pull, Stage::Listing);
    Ok(ChangePage { changes, has_more: last.is_some(), cursor: Position { stage, ..position }.into() })
}

fn log_page(index: &Index, position: Position) -> rusqlite::Result<ChangePage> {
    let log = index.changes_after(position.seq, PAGE)?;
    let has_more = log.len() == PAGE;
    let seq = log.last().filter(|_| has_more).map_or(index.seq(), Logged::seq);
    let mut changes = Vec::with_capacity(log.len());
    for line in log {
        changes.push(match line {
            Logged::Changed(row) => Change::Upsert(Local::entry(index.connection(), *row)?),
            Logged::Removed { id, .. } => Change::Removed(id),
        });
    }
    let stage = if has_more { Stage::More } else { Stage::Pull };
    Ok(ChangePage { changes, has_more, cursor: Position { seq, stage, ..position }.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_being_cursors() {
        for stage in [Stage::Pull, Stage::More, Stage::Listing(0), Stage::Listing(77)] {
            let position = Position { epoch: "e".to_owned(), seq: 1 << 40, stage };
            assert_eq!(Cursor::from(position.clone()).0.parse(), Ok(position));
        }
        for bad in ["", "e", "e:", "e:x", "e:1:", "e:1:x"] {
            assert!(bad.parse::<Position>().is_err(), "{bad:?}");
        }
    }
}
