//! Staged bytes, sync state, feed, pins, history, conflicts, small values, numbers.

use std::time::Duration;

use super::*;
use crate::provider::{Cursor, UploadSession};

#[test]
fn staged_rows_outlive_their_local_row_and_keep_the_node() {
    let (_fixture, catalog) = Fixture::catalog();
    let (node, staged) = write(&catalog, |txn| {
        let row = add_file(txn, ROOT, "take.wav")?;
        let staged = StagedRow {
            hashed: Some(ContentHash::of(HashKind::Blake3, b"x")),
            session: Some(UploadSession { id: "session".to_owned(), offset: 4 << 20 }),
            ..staged_row(row.node)
        };
        txn.put_staged(&staged)?;
        txn.set_local_content(row.node, &LocalContent::Staged { staged: staged.id, based_on: None }, &attr(5))?;
        Ok((row.node, staged))
    })
    .unwrap();
    assert_eq!(catalog.read(|view| view.staged(staged.id)).unwrap(), Some(staged.clone()));
    assert!(refusal(write(&catalog, |txn| txn.remove_staged(staged.id))).contains("staged bytes without a row"));
    write(&catalog, |txn| {
        txn.remove_local(node)?;
        txn.forget_node_if_absent(node)
    })
    .unwrap();
    assert_eq!(catalog.read(|view| view.all_staged()).unwrap(), vec![staged.clone()]);
    let plain = StagedRow { session: None, hashed: None, size: 9, ..staged.clone() };
    write(&catalog, |txn| txn.put_staged(&plain)).unwrap();
    assert_eq!(catalog.read(|view| view.staged(staged.id)).unwrap(), Some(plain));
    write(&catalog, |txn| {
        txn.remove_staged(staged.id)?;
        txn.forget_node_if_absent(node)?;
        assert!(matches!(txn.put_staged(&staged), Err(CatalogError::NoSuchNode(_))), "now the node is gone");
        Ok(())
    })
    .unwrap();
    assert_sound(&catalog);
}

#[test]
fn staged_bytes_that_change_hands_are_never_nobodys() {
    const TIMES: usize = 500;
    let (_fixture, catalog) = Fixture::catalog();
    let (new, old, staged) = write(&catalog, |txn| {
        let (new, old) = (add_file(txn, ROOT, "new")?, add_file(txn, ROOT, "old")?);
        let staged = staged_row(new.node);
        txn.put_staged(&staged)?;
        Ok((new, old, staged))
    })
    .unwrap();
    let unowned = || catalog.read(|view| view.unowned_staged()).unwrap().len();
    let give = |from: &LocalRow, to: &LocalRow| {
        write(&catalog, |txn| {
            txn.set_local_content(from.node, &from.content, &from.attr)?;
            txn.put_staged(&StagedRow { node: to.node, ..staged.clone() })?;
            let content = LocalContent::Staged { staged: staged.id, based_on: None };
            txn.set_local_content(to.node, &content, &to.attr)
        })
        .unwrap();
    };
    assert_eq!(unowned(), 1);
    give(&old, &new);
    std::thread::scope(|scope| {
        let giver = scope.spawn(|| {
            for _ in 0..TIMES {
                give(&new, &old);
                give(&old, &new);
            }
        });
        while !giver.is_finished() {
            assert_eq!(unowned(), 0);
        }
    });
    write(&catalog, |txn| txn.remove_local(new.node)).unwrap();
    assert_eq!(unowned(), 1, "nobody has what a deleted file had");
}

#[test]
fn certainty_ends_with_its_age() {
    let (_fixture, catalog) = Fixture::catalog();
    let id = |text: &str| RemoteId(text.to_owned());
    write(&catalog, |txn| txn.put_certain(&id("early"))).unwrap();
    write(&catalog, |txn| txn.put_certain(&id("late"))).unwrap();
    write(&catalog, |txn| txn.put_certain(&id("early"))).unwrap();
    assert_eq!(catalog.read(|view| view.certain()).unwrap(), [id("early"), id("late")]);
    // The clock ticks once per transaction.
    write(&catalog, |txn| txn.prune_certain(Duration::from_nanos(1))).unwrap();
    assert_eq!(catalog.read(|view| view.certain()).unwrap(), [id("early")], "its last time counts");
    write(&catalog, |txn| txn.prune_certain(Duration::ZERO)).unwrap();
    assert_eq!(catalog.read(|view| view.certain()).unwrap(), []);
}

#[test]
fn the_default_sync_state_is_not_stored() {
    let (_fixture, catalog) = Fixture::catalog();
    let row = write(&catalog, |txn| add_file(txn, ROOT, "a")).unwrap();
    let state = SyncState {
        attempts: 3,
        not_before: Some(Timestamp(77)),
        problem: Some(("quota".to_owned(), "the account is full".to_owned())),
        held: true,
        priority: -4,
    };
    write(&catalog, |txn| txn.set_sync_state(row.node, &state)).unwrap();
    assert_eq!(catalog.read(|view| view.sync_state(row.node)).unwrap(), state);
    assert_eq!(catalog.read(|view| view.all_sync_states()).unwrap(), vec![(row.node, state)]);
    write(&catalog, |txn| txn.set_sync_state(row.node, &SyncState::default())).unwrap();
    assert_eq!(catalog.read(|view| view.all_sync_states()).unwrap(), vec![]);
    assert_eq!(catalog.read(|view| view.sync_state(row.node)).unwrap(), SyncState::default());
    let held = SyncState { held: true, ..SyncState::default() };
    assert!(matches!(write(&catalog, |txn| txn.set_sync_state(NodeId(99), &held)), Err(CatalogError::NoSuchNode(_))));
}

#[test]
fn feed_and_small_values_are_kept() {
    let (_fixture, catalog) = Fixture::catalog();
    assert_eq!(catalog.read(|view| view.feed()).unwrap(), FeedState::default());
    let feed = FeedState {
        cursor: Some(Cursor("AAA".to_owned())),
        last_full: Some(Timestamp(1)),
        last_pull: Some(Timestamp(2)),
    };
    write(&catalog, |txn| txn.set_feed(&feed)).unwrap();
    assert_eq!(catalog.read(|view| view.feed()).unwrap(), feed);
    assert_eq!(catalog.read(|view| view.meta("layout")).unwrap(), None);
    write(&catalog, |txn| txn.set_meta("layout", "plain").and(txn.set_meta("layout", "music"))).unwrap();
    assert_eq!(catalog.read(|view| view.meta("layout")).unwrap().as_deref(), Some("music"));
}

#[test]
fn a_pin_goes_with_the_local_row() {
    let (_fixture, catalog) = Fixture::catalog();
    let row = write(&catalog, |txn| {
        let row = add_file(txn, ROOT, "a")?;
        txn.set_pinned(row.node, true)?;
        txn.set_pinned(row.node, true)?;
        Ok(row)
    })
    .unwrap();
    assert!(catalog.read(|view| view.is_pinned(row.node)).unwrap());
    assert_eq!(catalog.read(|view| view.pins()).unwrap(), vec![row.node]);
    write(&catalog, |txn| txn.remove_local(row.node)).unwrap();
    assert!(!catalog.read(|view| view.is_pinned(row.node)).unwrap());
    assert!(matches!(write(&catalog, |txn| txn.set_pinned(NodeId(99), true)), Err(CatalogError::NoSuchNode(_))));
}

#[test]
fn history_and_conflicts_outlive_their_nodes() {
    let (_fixture, catalog) = Fixture::catalog();
    let reasons = [
        HistoryReason::ReplacedByRemote,
        HistoryReason::DeletedByRemote,
        HistoryReason::ConflictLoser,
        HistoryReason::DeletedUnsynced,
        HistoryReason::Recovered,
        HistoryReason::Discarded,
    ];
    let (node, kept, conflict) = write(&catalog, |txn| {
        let node = add_file(txn, ROOT, "take.wav")?.node;
        let kept = reasons.map(|reason| HistoryRow {
            id: 0,
            node,
            path: "take.wav".to_owned(),
            reason,
            size: 3,
            file: format!("{reason:?}"),
            kept_at: Timestamp(8),
        });
        let kept = kept
            .into_iter()
            .map(|row| Ok(HistoryRow { id: txn.add_history(&row)?, ..row }))
            .collect::<Result<Vec<_>>>()?;
        let conflict = ConflictRow {
            id: 0,
            node,
            other: Some(NodeId(5)),
            path: "take.wav".to_owned(),
            what: "both edited".to_owned(),
            device: "studio".to_owned(),
            found_at: Timestamp(9),
            resolved_at: None,
            ours: Some("hash".to_owned()),
            theirs: Some("rev-2".to_owned()),
            strategy: "keep both".to_owned(),
            result: String::new(),
        };
        let conflict = ConflictRow { id: txn.add_conflict(&conflict)?, ..conflict };
        txn.remove_local(node)?;
        txn.forget_node_if_absent(node)?;
        Ok((node, kept, conflict))
    })
    .unwrap();
    catalog
        .read(|view| {
            assert_eq!(view.history(Some(node))?, kept);
            assert_eq!(view.history(None)?, kept);
            assert_eq!(view.history(Some(ROOT))?, vec![]);
            assert_eq!(view.history_entry(kept[2].id)?.as_ref(), Some(&kept[2]));
            assert_eq!(view.conflicts(false)?, vec![conflict.clone()]);
            Ok(())
        })
        .unwrap();
    let resolved_at = write(&catalog, |txn| {
        txn.remove_history(kept[0].id)?;
        txn.resolve_conflict(conflict.id, "theirs was kept")?;
        Ok(txn.now())
    })
    .unwrap();
    write(&catalog, |txn| txn.resolve_conflict(conflict.id, "again")).unwrap();
    catalog
        .read(|view| {
            assert_eq!(view.history(None)?, kept[1..].to_vec());
            assert_eq!(view.conflicts(false)?, vec![]);
            let resolved = &view.conflicts(true)?[0];
            assert_eq!(resolved.resolved_at, Some(resolved_at), "the first time counts");
            assert_eq!((resolved.result.as_str(), &resolved.theirs), ("theirs was kept", &conflict.theirs));
            Ok(())
        })
        .unwrap();
    let next = write(&catalog, |txn| {
        txn.remove_history(kept[5].id)?;
        txn.add_history(&kept[5])
    })
    .unwrap();
    assert!(next > kept[5].id, "ids count up");
}

#[test]
fn ids_and_inode_numbers_are_never_given_out_twice() {
    let fixture = Fixture::new();
    let (mut nodes, mut inodes) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    for round in 0..4 {
        let catalog = fixture.open();
        for rolled_back in [false, true, false] {
            let taken = write(&catalog, |txn| {
                for _ in 0..700 {
                    assert!(inodes.insert(txn.new_ino()?), "round {round}");
                }
                let node = txn.new_node(NodeKind::File)?;
                if rolled_back { Err(CatalogError::NotEmpty) } else { Ok(node) }
            });
            if let Ok(node) = taken {
                assert!(nodes.insert(node), "round {round}");
                write(&catalog, |txn| txn.forget_node_if_absent(node)).unwrap();
            }
        }
        if round % 2 == 0 {
            catalog.close().unwrap();
        }
    }
    assert!(!inodes.contains(&InodeNo::ROOT) && !nodes.contains(&ROOT));
}
