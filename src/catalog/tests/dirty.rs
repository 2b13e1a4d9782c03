//! What makes a node dirty, since when, and what `check` says of a node that should be.

use super::*;

fn touched(catalog: &Catalog, node: NodeId) -> Option<Timestamp> {
    let rows = catalog.read(|view| view.dirty()).unwrap();
    let found = rows.into_iter().find(|row| row.node == node).map(|row| row.touched);
    assert_eq!(found.is_some(), catalog.read(|view| view.is_dirty(node)).unwrap());
    found
}

fn settled_file() -> (Fixture, Catalog, LocalRow) {
    let (fixture, catalog) = Fixture::catalog();
    let row = write(&catalog, |txn| {
        let row = add_file(txn, ROOT, "file")?;
        settle(txn, &[&row])?;
        Ok(row)
    })
    .unwrap();
    assert_eq!(touched(&catalog, row.node), None);
    (fixture, catalog, row)
}

#[test]
fn local_changes_touch_and_attributes_do_not() {
    let (_fixture, catalog, row) = settled_file();
    let mut last = Timestamp(0);
    write(&catalog, |txn| txn.set_local_attr(row.node, &attr(5))).unwrap();
    assert_eq!(touched(&catalog, row.node), None);
    type Change<'a> = Box<dyn Fn(&Txn<'_>) -> Result<()> + 'a>;
    let changes: Vec<Change<'_>> = vec![
        Box::new(|txn| txn.update_local(&LocalRow { name: name("renamed"), ..row.clone() })),
        Box::new(|txn| txn.set_local_content(row.node, &row.content, &attr(6))),
        Box::new(|txn| txn.touch(row.node)),
        Box::new(|txn| txn.remove_local(row.node)),
        Box::new(|txn| txn.insert_local(&row)),
    ];
    for change in changes {
        let now = write(&catalog, |txn| change(txn).map(|()| txn.now())).unwrap();
        assert_eq!(touched(&catalog, row.node), Some(now));
        assert!(now > last);
        last = now;
    }
    let nowhere = NodeId(99);
    assert!(matches!(write(&catalog, |txn| txn.set_local_attr(nowhere, &attr(1))), Err(CatalogError::NoSuchNode(_))));
    let content = LocalContent::None;
    let missing = write(&catalog, |txn| txn.set_local_content(nowhere, &content, &attr(1)));
    assert!(matches!(missing, Err(CatalogError::NoSuchNode(_))));
    let missing = write(&catalog, |txn| txn.update_local(&LocalRow { node: nowhere, ..row.clone() }));
    assert!(matches!(missing, Err(CatalogError::NoSuchNode(_))));
}

#[test]
fn remote_and_synced_changes_mark_without_touching() {
    let (_fixture, catalog, row) = settled_file();
    type Change<'a> = Box<dyn Fn(&Txn<'_>) -> Result<()> + 'a>;
    let changes: Vec<Change<'_>> = vec![
        Box::new(|txn| txn.put_remote(&remote_of(&row))),
        Box::new(|txn| txn.put_synced(&synced_of(&row))),
        Box::new(|txn| txn.remove_remote(row.node)),
        Box::new(|txn| txn.remove_synced(row.node)),
    ];
    for change in &changes {
        write(&catalog, |txn| txn.clear_dirty(row.node)).unwrap();
        write(&catalog, |txn| change(txn)).unwrap();
        assert_eq!(touched(&catalog, row.node), Some(Timestamp(0)));
    }
    let now = write(&catalog, |txn| txn.touch(row.node).map(|()| txn.now())).unwrap();
    for change in &changes {
        write(&catalog, |txn| change(txn)).unwrap();
        assert_eq!(touched(&catalog, row.node), Some(now), "the time of the local change stays");
    }
}

#[test]
fn what_only_the_provider_has_arrives_until_another_tree_knows_it() {
    let (_fixture, catalog) = Fixture::catalog();
    write(&catalog, |txn| settle(txn, &[])).unwrap();
    let arriving = || catalog.read(|view| view.arriving(NodeId(0), 10)).unwrap();
    let told = |text: &str| {
        write(&catalog, |txn| {
            let row = RemoteRow {
                node: txn.new_node(NodeKind::Folder)?,
                parent: Some(ROOT),
                name: name(text),
                rid: RemoteId(text.to_owned()),
                body: RemoteBody::Folder,
            };
            txn.put_remote(&row)?;
            Ok(row)
        })
        .unwrap()
    };
    let rows: Vec<RemoteRow> = ["a", "b", "c", "d", "e"].into_iter().map(told).collect();
    let nodes: Vec<NodeId> = rows.iter().map(|row| row.node).collect();
    assert_eq!(arriving(), nodes);
    assert_eq!(catalog.read(|view| view.arriving(nodes[1], 2)).unwrap(), nodes[2..4]);
    assert_eq!(catalog.read(|view| view.dirty()).unwrap(), vec![]);
    assert!(nodes.iter().all(|node| catalog.read(|view| view.is_dirty(*node)).unwrap()));
    assert_eq!(catalog.read(|view| view.pending()).unwrap(), Pending { outgoing: 0, incoming: 5 });
    assert_sound(&catalog);

    let synced = SyncedRow { node: nodes[1], parent: Some(ROOT), name: name("b"), body: SyncedBody::Folder };
    write(&catalog, |txn| {
        txn.put_remote(&RemoteRow { name: name("still arriving"), ..rows[0].clone() })?;
        txn.put_synced(&synced)?;
        txn.touch(nodes[2])?;
        txn.remove_remote(nodes[3])?;
        txn.clear_dirty(nodes[4])
    })
    .unwrap();
    assert_eq!(arriving(), nodes[..1]);
    let dirty: Vec<NodeId> = catalog.read(|view| view.dirty()).unwrap().iter().map(|row| row.node).collect();
    assert_eq!(dirty, [nodes[1], nodes[3], nodes[2]]);
    assert!(!catalog.read(|view| view.is_dirty(nodes[4])).unwrap());
    assert_eq!(catalog.read(|view| view.pending()).unwrap(), Pending { outgoing: 1, incoming: 3 });
    write(&catalog, |txn| txn.put_remote(&RemoteRow { name: name("known"), ..rows[1].clone() })).unwrap();
    assert_eq!(arriving(), nodes[..1], "the synced tree knows it");
}

#[test]
fn dirty_nodes_come_in_the_order_of_their_last_local_change() {
    let (_fixture, catalog) = Fixture::catalog();
    let rows = write(&catalog, |txn| {
        ["a", "b", "c"].into_iter().map(|text| add_file(txn, ROOT, text)).collect::<Result<Vec<_>>>()
    })
    .unwrap();
    for index in [1, 2, 0] {
        write(&catalog, |txn| txn.touch(rows[index].node)).unwrap();
    }
    write(&catalog, |txn| {
        let node = txn.new_node(NodeKind::Folder)?;
        txn.put_synced(&SyncedRow { node, parent: Some(ROOT), name: name("s"), body: SyncedBody::Folder })
    })
    .unwrap();
    let order: Vec<NodeId> = catalog.read(|view| view.dirty()).unwrap().iter().map(|row| row.node).collect();
    assert_eq!(order[1..], [rows[1].node, rows[2].node, rows[0].node]);
}

#[test]
fn local_only_rows_are_dirty_only_while_the_provider_knows_their_node() {
    let (_fixture, catalog, synced) = settled_file();
    let lock = write(&catalog, |txn| {
        let row = LocalRow { local_only: true, name: name(".lock"), ..add_file(txn, ROOT, "tmp")? };
        txn.update_local(&row)?;
        Ok(row)
    })
    .unwrap();
    assert_eq!(touched(&catalog, lock.node), None, "the mark of its first name is gone too");
    write(&catalog, |txn| txn.set_local_content(lock.node, &lock.content, &attr(1))).unwrap();
    write(&catalog, |txn| txn.remove_local(lock.node)).unwrap();
    assert_eq!(touched(&catalog, lock.node), None);
    write(&catalog, |txn| txn.update_local(&LocalRow { local_only: true, name: name(".hidden"), ..synced.clone() }))
        .unwrap();
    assert!(touched(&catalog, synced.node).is_some(), "for the provider this is a deletion");
    assert_sound(&catalog);
}

#[test]
fn check_finds_every_difference_that_nobody_will_look_at() {
    type Change<'a> = Box<dyn Fn(&Txn<'_>) -> Result<()> + 'a>;
    let (_fixture, catalog, row) = settled_file();
    let renamed = LocalRow { name: name("renamed"), ..row.clone() };
    let staged = staged_row(row.node);
    let edited = LocalContent::Staged { staged: staged.id, based_on: Some(version("id:2", "r1")) };
    let other = Version { hash: None, ..version("id:2", "r2") };
    let differences: Vec<(&str, Change<'_>)> = vec![
        ("its place differs", Box::new(|txn| txn.update_local(&renamed))),
        ("its place differs", Box::new(|txn| txn.put_remote(&remote_of(&renamed)))),
        ("its place differs", Box::new(|txn| txn.put_synced(&synced_of(&renamed)))),
        (
            "its content differs",
            Box::new(|txn| txn.set_local_content(row.node, &LocalContent::Clean(other.clone()), &attr(5))),
        ),
        (
            "its content differs",
            Box::new(|txn| {
                txn.put_staged(&staged)?;
                txn.set_local_content(row.node, &edited, &attr(5))
            }),
        ),
        ("the local tree only", Box::new(|txn| txn.remove_remote(row.node).and(txn.remove_synced(row.node)))),
        ("the provider has it", Box::new(|txn| txn.remove_local(row.node))),
        ("the provider has it", Box::new(|txn| txn.remove_synced(row.node))),
        ("the provider has not", Box::new(|txn| txn.remove_remote(row.node))),
        ("never leaves this machine", Box::new(|txn| txn.update_local(&LocalRow { local_only: true, ..row.clone() }))),
    ];
    for (what, change) in &differences {
        assert_sound(&catalog);
        write(&catalog, |txn| {
            change(txn)?;
            txn.clear_dirty(row.node)
        })
        .unwrap();
        let findings = catalog.check().unwrap();
        assert!(findings.iter().any(|line| line.contains(what)), "{what}: {findings:?}");
        write(&catalog, |txn| {
            if txn.local(row.node)?.is_none() {
                txn.insert_local(&row)?;
            }
            txn.update_local(&row)?;
            settle(txn, &[&row])
        })
        .unwrap();
    }
}
