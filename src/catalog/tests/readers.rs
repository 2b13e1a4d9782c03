//! Who sees what, and when.

use std::path::Path;
use std::sync::mpsc;

use rusqlite::Connection;

use super::*;

#[test]
fn readers_see_committed_state_only_and_one_state_throughout() {
    let (_fixture, catalog) = Fixture::catalog();
    let file = write(&catalog, |txn| add_file(txn, ROOT, "before")).unwrap();
    std::thread::scope(|scope| {
        let (written, is_written) = mpsc::channel();
        let (finish, may_finish) = mpsc::channel::<()>();
        let catalog = &catalog;
        let node = file.node;
        let writer = scope.spawn(move || {
            write(catalog, |txn| {
                txn.update_local(&LocalRow { name: name("after"), ..txn.local(node)?.unwrap() })?;
                assert_eq!(txn.local_path(node)?.as_deref(), Some("after"), "the transaction sees its own changes");
                written.send(()).unwrap();
                may_finish.recv().unwrap();
                Ok(())
            })
        });
        is_written.recv().unwrap();
        assert_eq!(catalog.read(|view| view.local_path(node)).unwrap().as_deref(), Some("before"));
        catalog
            .read(|view| {
                assert_eq!(view.local_path(node)?.as_deref(), Some("before"));
                finish.send(()).unwrap();
                writer.join().unwrap()?;
                assert_eq!(view.local_path(node)?.as_deref(), Some("before"), "a view is one state");
                let nested = catalog.read(|newer| newer.local_path(node))?;
                assert_eq!(nested.as_deref(), Some("after"), "a view that starts now is the new state");
                Ok(())
            })
            .unwrap();
    });
    assert_eq!(catalog.read(|view| view.local_path(file.node)).unwrap().as_deref(), Some("after"));
}

#[test]
fn errors_and_panics_roll_back_and_leave_everything_usable() {
    #[derive(Debug)]
    struct Mine;
    impl From<CatalogError> for Mine {
        fn from(_: CatalogError) -> Self {
            Self
        }
    }
    let (_fixture, catalog) = Fixture::catalog();
    let refused: std::result::Result<(), Mine> = catalog.write(|txn| {
        add_file(txn, ROOT, "a")?;
        Err(Mine)
    });
    assert!(refused.is_err());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        write(&catalog, |txn| -> Result<()> {
            add_file(txn, ROOT, "b")?;
            panic!("a bug in a caller");
        })
    }));
    assert!(panicked.is_err());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        catalog.read(|_| -> Result<()> { panic!("a bug in a caller") })
    }));
    assert!(panicked.is_err());
    assert!(!catalog.read(|view| view.has_local_children(ROOT)).unwrap());
    write(&catalog, |txn| add_file(txn, ROOT, "c")).unwrap();
    assert_eq!(catalog.read(|view| view.totals()).unwrap(), (1, 5));
}

#[test]
fn many_threads_read_their_own_writes() {
    const THREADS: usize = 8;
    const ROUNDS: usize = 40;
    let (_fixture, catalog) = Fixture::catalog();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let catalog = &catalog;
            scope.spawn(move || {
                let folder = write(catalog, |txn| add_folder(txn, ROOT, &format!("thread {thread}"))).unwrap();
                for round in 0..ROUNDS {
                    let row = write(catalog, |txn| add_file(txn, folder.node, &format!("{round}"))).unwrap();
                    assert_eq!(catalog.read(|view| view.local_by_ino(row.ino)).unwrap(), Some(row.clone()));
                    let moved = LocalRow { name: name(&format!("{round} moved")), ..row };
                    write(catalog, |txn| txn.update_local(&moved)).unwrap();
                    assert_eq!(catalog.read(|view| view.local(moved.node)).unwrap(), Some(moved.clone()));
                    if round % 2 == 0 {
                        write(catalog, |txn| txn.remove_local(moved.node)).unwrap();
                        assert_eq!(catalog.read(|view| view.local(moved.node)).unwrap(), None);
                    }
                    if round % 16 == 0 {
                        catalog.sync().unwrap();
                    }
                }
            });
        }
    });
    let (nodes, _) = catalog.read(|view| view.totals()).unwrap();
    assert_eq!(nodes, u64::try_from(THREADS * (1 + ROUNDS / 2)).unwrap());
    assert_sound(&catalog);
}

#[test]
fn only_a_transaction_that_wrote_something_needs_a_flush_and_it_comes_by_itself() {
    let (_fixture, catalog) = Fixture::catalog();
    catalog.sync().unwrap();
    assert!(!catalog.needs_sync());
    write(&catalog, |txn| txn.local(ROOT)).unwrap();
    write(&catalog, |txn| txn.remove_staged(StagedId::random())).unwrap();
    assert!(!catalog.needs_sync(), "nothing was written");
    write(&catalog, |txn| add_file(txn, ROOT, "a")).unwrap();
    assert!(catalog.needs_sync());
    catalog.sync().unwrap();
    assert!(!catalog.needs_sync());
    write(&catalog, |txn| add_file(txn, ROOT, "b")).unwrap();
    let deadline = Instant::now() + std::time::Duration::from_secs(30);
    while catalog.needs_sync() {
        assert!(Instant::now() < deadline, "the catalog's own thread flushes within a second");
        std::thread::yield_now();
    }
}

#[test]
fn after_a_failed_flush_nothing_is_called_durable_again() {
    let mut connection = Connection::open_in_memory().unwrap();
    // A device that cannot be flushed stands for a disk that fails once and then says that all is well.
    let durability = Durability::follow(&mut connection, Path::new("/dev/null")).unwrap();
    assert!(durability.needs_sync());
    for _ in 0..2 {
        assert!(matches!(durability.sync(), Err(CatalogError::Io { .. })));
        assert!(durability.needs_sync());
        assert!(durability.refuse_after_failure().is_err(), "and nothing more is written");
    }
}

#[test]
fn a_full_disk_refuses_the_transaction_and_nothing_else() {
    let (_fixture, catalog) = Fixture::catalog();
    let kept = write(&catalog, |txn| add_file(txn, ROOT, "kept")).unwrap();
    let limit_pages = |pages: Option<i64>| {
        let writer = catalog.writer.lock();
        let now: i64 = writer.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let pages = pages.unwrap_or(now);
        writer.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    };
    limit_pages(None);
    let full =
        write(&catalog, |txn| (0..1000).try_for_each(|number| add_file(txn, ROOT, &number.to_string()).map(|_| ())));
    assert!(matches!(full, Err(CatalogError::NoSpace)), "{full:?}");
    assert_eq!(catalog.read(|view| view.local_children(ROOT, NodeId(0), 10)).unwrap(), vec![kept.clone()]);
    assert_eq!(catalog.read(|view| view.totals()).unwrap(), (1, 5));
    write(&catalog, |txn| txn.remove_local(kept.node)).unwrap();
    limit_pages(Some(1_000_000));
    write(&catalog, |txn| add_file(txn, ROOT, "again")).unwrap();
    assert_sound(&catalog);
}
