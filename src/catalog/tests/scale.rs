//! Many nodes. Asserts that it works; prints how long it takes (`--nocapture`).

use std::time::Duration;

use super::*;

fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    eprintln_test(what, start.elapsed(), 1);
    result
}

#[expect(clippy::print_stderr, reason = "figures for people who run this test with --nocapture")]
fn eprintln_test(what: &str, elapsed: Duration, times: u32) {
    eprintln!("{what}: {:?} each, {elapsed:?} in all", elapsed / times);
}

#[test]
fn a_hundred_thousand_nodes_open_read_and_list() {
    let nodes: u32 = std::env::var("CATALOG_NODES").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let fixture = Fixture::new();
    let catalog = fixture.open();
    let per_folder = 1000;
    let big = timed("create the folder of all", || write(&catalog, |txn| add_folder(txn, ROOT, "all"))).unwrap();
    let mut rows = Vec::new();
    timed("make L, R and S", || {
        write(&catalog, |txn| settle(txn, &[&big])).unwrap();
        for batch in 0..nodes / per_folder {
            write(&catalog, |txn| {
                for number in 0..per_folder {
                    let row = add_file(txn, big.node, &format!("Take {batch:03}-{number:03}.wav"))?;
                    txn.put_remote(&remote_of(&row))?;
                    txn.put_synced(&synced_of(&row))?;
                    txn.clear_dirty(row.node)?;
                    if number % 100 == 0 {
                        rows.push(row);
                    }
                }
                Ok(())
            })
            .unwrap();
        }
    });
    timed("sync", || catalog.sync()).unwrap();
    timed("back up", || catalog.back_up()).unwrap();
    timed("close", || catalog.close()).unwrap();
    let (catalog, opened) = timed("open, clean", || fixture.try_open()).unwrap();
    assert_eq!(opened, Opened::Clean);
    drop(catalog);
    let (catalog, opened) = timed("open, after a crash", || fixture.try_open()).unwrap();
    assert_eq!(opened, Opened::AfterCrash);

    let times = u32::try_from(rows.len()).unwrap();
    for round in ["cold", "warm"] {
        let start = Instant::now();
        for row in &rows {
            assert!(catalog.read(|view| view.local_child(big.node, &row.name)).unwrap().is_some());
        }
        eprintln_test(&format!("look up a name, {round}"), start.elapsed(), times);
        let start = Instant::now();
        for row in &rows {
            assert!(catalog.read(|view| view.local_by_ino(row.ino)).unwrap().is_some());
        }
        eprintln_test(&format!("find an inode, {round}"), start.elapsed(), times);
    }
    let (mut after, mut listed) = (NodeId(0), 0);
    timed("list all in pages of 1000", || {
        loop {
            let page = catalog.read(|view| view.local_children(big.node, after, 1000)).unwrap();
            let Some(last) = page.last() else { break };
            after = last.node;
            listed += page.len();
        }
    });
    assert_eq!(listed, usize::try_from(nodes).unwrap());
    let key = |row: &LocalRow| FOLDED.key(&row.name);
    type Look<'a> = Box<dyn Fn(&View<'_>, &LocalRow) -> Result<bool> + 'a>;
    let looks: Vec<(&str, Look<'_>)> = vec![
        ("local by key", Box::new(|view, row| Ok(view.local_by_key(big.node, &key(row))?.len() == 1))),
        ("local path", Box::new(|view, row| Ok(view.local_path(row.node)?.is_some()))),
        ("remote by id", Box::new(|view, row| Ok(view.remote_by_rid(&remote_of(row).rid)?.is_some()))),
        ("remote by key", Box::new(|view, row| Ok(view.remote_by_key(big.node, &key(row))?.is_some()))),
        ("orphans of S", Box::new(|view, row| Ok(view.synced_orphans_at(big.node, &key(row))?.is_empty()))),
        ("children of a file in S", Box::new(|view, row| Ok(view.synced_children(row.node)?.is_empty()))),
        ("attributes", Box::new(|view, row| Ok(view.xattr_names(row.ino)?.is_empty()))),
    ];
    for (what, look) in &looks {
        let start = Instant::now();
        for row in &rows {
            assert!(catalog.read(|view| look(view, row)).unwrap(), "{what}");
        }
        eprintln_test(what, start.elapsed(), times);
    }
    let start = Instant::now();
    for pair in rows.chunks_exact(2) {
        for (a, b) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
            write(&catalog, |txn| {
                txn.update_local(&LocalRow { name: b.name.clone(), ..a.clone() })?;
                txn.update_local(&LocalRow { name: a.name.clone(), ..b.clone() })?;
                txn.put_remote(&RemoteRow { name: b.name.clone(), ..remote_of(a) })?;
                txn.put_remote(&RemoteRow { name: a.name.clone(), ..remote_of(b) })
            })
            .unwrap();
        }
    }
    eprintln_test("swap two names in L and R (one transaction)", start.elapsed(), times);
    assert_eq!(timed("totals", || catalog.read(|view| view.totals())).unwrap().0, u64::from(nodes) + 1);
    timed("count folders", || catalog.read(|view| view.count_local_folders(big.node))).unwrap();

    let start = Instant::now();
    let mut made = Vec::new();
    for number in 0..2000 {
        made.push(
            write(&catalog, |txn| {
                let row = add_file(txn, big.node, &format!("New {number}.json"))?;
                let staged = staged_row(row.node);
                txn.put_staged(&staged)?;
                txn.set_local_content(row.node, &LocalContent::Staged { staged: staged.id, based_on: None }, &attr(0))?;
                Ok((row, staged))
            })
            .unwrap(),
        );
    }
    eprintln_test("create a file with staged bytes (one transaction)", start.elapsed(), 2000);
    let start = Instant::now();
    for (row, staged) in &made {
        write(&catalog, |txn| {
            txn.put_staged(&StagedRow { size: 9, ..staged.clone() })?;
            txn.set_local_content(row.node, &LocalContent::Staged { staged: staged.id, based_on: None }, &attr(9))
        })
        .unwrap();
    }
    eprintln_test("flush it (one transaction)", start.elapsed(), 2000);
    let start = Instant::now();
    for (row, staged) in &made {
        write(&catalog, |txn| {
            txn.remove_local(row.node)?;
            txn.remove_staged(staged.id)?;
            txn.forget_node_if_absent(row.node)
        })
        .unwrap();
    }
    eprintln_test("unlink it (one transaction)", start.elapsed(), 2000);
    assert_eq!(timed("check", || catalog.check()).unwrap(), Vec::<String>::new());
}
