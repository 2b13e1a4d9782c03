//! Who sees what, and when.

use std::sync::mpsc;

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
