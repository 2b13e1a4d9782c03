//! Once a day: a copy of the catalog, for the day when its disk fails, and an end for kept versions that are old.
//!
//! A kept version goes when it is older than the settings promise *and* enough newer ones of the same file are kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::blocking::blocking;
use super::problems;
use super::tasks::Stop;
use crate::catalog::{Catalog, HistoryRow};
use crate::config::Settings;
use crate::config::settings::HistorySettings;
use crate::content::ContentStore;
use crate::control::protocol::{ErrorCode, Problem};
use crate::types::{NodeId, Timestamp};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The first time comes soon, for machines that run an hour a day.
const FIRST: Duration = Duration::from_secs(10 * 60);

/// Runs until it is told to stop.
pub(super) async fn run(
    catalog: Arc<Catalog>,
    content: Arc<ContentStore>,
    settings: watch::Receiver<Settings>,
    mut stop: Stop,
) {
    let mut pause = FIRST;
    loop {
        tokio::select! {
            () = stop.requested() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = DAY;
        let (catalog, content) = (Arc::clone(&catalog), Arc::clone(&content));
        let history = settings.borrow().history.clone();
        let done = blocking(move || {
            catalog.back_up().map_err(|error| problems::of(ErrorCode::Io, &error))?;
            prune(&catalog, &content, &history)
        });
        match done.await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(gone, "kept versions were old enough to go"),
            Err(problem) => tracing::warn!(%problem, "housekeeping failed and is tried again tomorrow"),
        }
    }
}

fn prune(catalog: &Catalog, content: &ContentStore, settings: &HistorySettings) -> Result<usize, Problem> {
    let in_catalog = |error: crate::catalog::CatalogError| problems::of(ErrorCode::Io, &error);
    let rows = catalog.read(|view| view.history(None)).map_err(in_catalog)?;
    let now = catalog.write(|txn| Ok::<_, crate::catalog::CatalogError>(txn.now())).map_err(in_catalog)?;
    let old = expired(&rows, now, settings);
    for row in &old {
        // The row goes first: a row without bytes would be a promise that cannot be kept.
        catalog.write(|txn| txn.remove_history(row.id)).map_err(in_catalog)?;
        content.discard_kept(&row.file).map_err(|error| problems::of(ErrorCode::Io, &error))?;
    }
    Ok(old.len())
}

fn expired<'a>(rows: &'a [HistoryRow], now: Timestamp, settings: &HistorySettings) -> Vec<&'a HistoryRow> {
    let keep = DAY.saturating_mul(u32::try_from(settings.keep_days).unwrap_or(u32::MAX));
    let mut files: BTreeMap<NodeId, Vec<&HistoryRow>> = BTreeMap::new();
    for row in rows {
        files.entry(row.node).or_default().push(row);
    }
    let mut old = Vec::new();
    for versions in files.values_mut() {
        versions.sort_by_key(|row| std::cmp::Reverse((row.kept_at, row.id)));
        let spared = usize::try_from(settings.keep_versions).unwrap_or(usize::MAX);
        old.extend(versions.iter().skip(spared).filter(|row| now.since(row.kept_at) > keep));
    }
    old
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::HistoryReason;

    fn version(id: i64, node: u64, day: i64) -> HistoryRow {
        HistoryRow {
            id,
            node: NodeId(node),
            path: "file".to_owned(),
            reason: HistoryReason::ReplacedByRemote,
            size: 1,
            file: id.to_string(),
            kept_at: Timestamp::from_parts(day * 86_400, 0),
        }
    }

    #[test]
    fn only_what_is_old_and_has_enough_newer_versions_goes() {
        let rows = [version(1, 7, 0), version(2, 7, 1), version(3, 7, 80), version(4, 7, 90), version(5, 8, 0)];
        let settings = HistorySettings { keep_days: 30, keep_versions: 2 };
        let now = Timestamp::from_parts(100 * 86_400, 0);
        let gone: Vec<i64> = expired(&rows, now, &settings).iter().map(|row| row.id).collect();
        assert_eq!(gone, [2, 1], "3 is young, 4 the newest, 5 the only one of its file");
        let settings = HistorySettings { keep_days: 30, keep_versions: 0 };
        let gone: Vec<i64> = expired(&rows, now, &settings).iter().map(|row| row.id).collect();
        assert_eq!(gone, [2, 1, 5]);
    }
}
