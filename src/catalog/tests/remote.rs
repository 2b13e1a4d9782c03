//! R and S: order of a page, swaps, orphans.

use super::*;

fn folder(txn: &Txn<'_>, parent: NodeId, text: &str) -> Result<RemoteRow> {
    let node = txn.new_node(NodeKind::Folder)?;
    Ok(RemoteRow {
        node,
        parent: Some(parent),
        name: name(text),
        rid: RemoteId(format!("id:{node}")),
        body: RemoteBody::Folder,
    })
}

fn put_root(txn: &Txn<'_>) -> Result<()> {
    txn.put_remote(&RemoteRow {
        node: ROOT,
        parent: None,
        name: name("root"),
        rid: RemoteId("id:root".to_owned()),
        body: RemoteBody::Folder,
    })
}

#[test]
fn rows_of_both_trees_come_back_as_they_were_written() {
    let (_fixture, catalog) = Fixture::catalog();
    write(&catalog, |txn| {
        put_root(txn)?;
        let bodies = [
            RemoteBody::Folder,
            RemoteBody::Symlink { target: "/etc/passwd".to_owned() },
            RemoteBody::File { revision: Revision("r".to_owned()), size: 7, hash: None, modified: Some(Timestamp(-1)) },
        ];
        for (kind, body) in [NodeKind::Folder, NodeKind::Symlink, NodeKind::File].into_iter().zip(bodies) {
            let row = RemoteRow {
                node: txn.new_node(kind)?,
                name: name(&format!("N-{kind:?}")),
                body,
                ..folder(txn, ROOT, "x")?
            };
            txn.put_remote(&row)?;
            assert_eq!(txn.remote(row.node)?.as_ref(), Some(&row));
            assert_eq!(txn.remote_by_rid(&row.rid)?.as_ref(), Some(&row));
            assert_eq!(txn.remote_by_key(ROOT, &FOLDED.key(&row.name))?.as_ref(), Some(&row));
            let synced_body = match &row.body {
                RemoteBody::Folder => SyncedBody::Folder,
                RemoteBody::Symlink { target } => SyncedBody::Symlink { target: target.clone() },
                RemoteBody::File { .. } => SyncedBody::File(version("id:s", "r2")),
            };
            let synced = SyncedRow { node: row.node, parent: row.parent, name: row.name.clone(), body: synced_body };
            txn.put_synced(&synced)?;
            assert_eq!(txn.synced(row.node)?.as_ref(), Some(&synced));
            assert_eq!(txn.synced_orphans_at(ROOT, &FOLDED.key(&row.name))?, vec![synced], "L does not have it");
        }
        assert_eq!((txn.remote_children(ROOT)?.len(), txn.synced_children(ROOT)?.len()), (3, 3));
        Ok(())
    })
    .unwrap();
    assert_sound(&catalog);
}

#[test]
fn children_may_be_told_before_their_folders_but_not_without_them() {
    let (_fixture, catalog) = Fixture::catalog();
    let (parent, child) = write(&catalog, |txn| {
        let parent = folder(txn, ROOT, "parent")?;
        let child = folder(txn, parent.node, "child")?;
        txn.put_remote(&child)?;
        txn.put_remote(&parent)?;
        put_root(txn)?;
        Ok((parent, child))
    })
    .unwrap();
    let orphan = write(&catalog, |txn| {
        let nowhere = txn.new_node(NodeKind::Folder)?;
        txn.put_remote(&RemoteRow { parent: Some(nowhere), ..child.clone() })
    });
    assert!(refusal(orphan).contains(&format!("row {} of remote refers to a row of remote", child.node)));
    let below_a_file = write(&catalog, |txn| {
        let file = txn.new_node(NodeKind::File)?;
        txn.put_remote(&RemoteRow { parent: Some(file), ..child.clone() })
    });
    assert!(refusal(below_a_file).contains("not a folder"));
    let unknown = write(&catalog, |txn| txn.put_remote(&RemoteRow { node: NodeId(99), ..child.clone() }));
    assert!(matches!(unknown, Err(CatalogError::NoSuchNode(NodeId(99)))), "{unknown:?}");
    assert!(matches!(write(&catalog, |txn| txn.remove_remote(parent.node)), Err(CatalogError::NotEmpty)));
    write(&catalog, |txn| {
        txn.remove_remote(child.node)?;
        txn.remove_remote(parent.node)?;
        txn.remove_remote(parent.node)
    })
    .unwrap();
    assert_sound(&catalog);
}

#[test]
fn names_and_provider_ids_are_unique_at_the_commit_and_may_be_swapped_before() {
    let (_fixture, catalog) = Fixture::catalog();
    let (a, b) = write(&catalog, |txn| {
        put_root(txn)?;
        let (a, b) = (folder(txn, ROOT, "Alpha")?, folder(txn, ROOT, "Beta")?);
        txn.put_remote(&a)?;
        txn.put_remote(&b)?;
        Ok((a, b))
    })
    .unwrap();
    let twin = write(&catalog, |txn| txn.put_remote(&RemoteRow { name: name("ALPHA"), ..b.clone() }));
    assert!(matches!(twin, Err(CatalogError::NameTaken)), "R is unique by key: {twin:?}");
    let same_id = write(&catalog, |txn| txn.put_remote(&RemoteRow { rid: a.rid.clone(), ..b.clone() }));
    assert!(matches!(same_id, Err(CatalogError::NameTaken)), "{same_id:?}");
    write(&catalog, |txn| {
        txn.put_remote(&RemoteRow { name: b.name.clone(), ..a.clone() })?;
        assert_eq!(txn.remote_by_key(ROOT, &FOLDED.key(&b.name))?.map(|row| row.node), Some(a.node));
        txn.put_remote(&RemoteRow { name: a.name.clone(), ..b.clone() })
    })
    .unwrap();
    // One node takes over the provider's side of another (adoption), whichever is put first.
    write(&catalog, |txn| {
        txn.put_remote(&RemoteRow { rid: b.rid.clone(), name: a.name.clone(), ..a.clone() })?;
        txn.remove_remote(b.node)
    })
    .unwrap();
    catalog
        .read(|view| {
            assert_eq!(view.remote_by_rid(&b.rid)?.map(|row| row.node), Some(a.node));
            assert_eq!(view.remote(b.node)?, None);
            Ok(())
        })
        .unwrap();
}

#[test]
fn s_remembers_entries_of_a_folder_that_left_it() {
    let (_fixture, catalog) = Fixture::catalog();
    let (folder, file) = write(&catalog, |txn| {
        let folder = add_folder(txn, ROOT, "folder")?;
        let file = add_file(txn, folder.node, "file")?;
        settle(txn, &[&folder, &file])?;
        Ok((folder, file))
    })
    .unwrap();
    write(&catalog, |txn| {
        for row in [&file, &folder] {
            txn.remove_local(row.node)?;
            txn.remove_remote(row.node)?;
        }
        txn.remove_synced(folder.node)?;
        txn.forget_node_if_absent(folder.node)?;
        Ok(())
    })
    .unwrap();
    assert_sound(&catalog);
    assert_eq!(catalog.read(|view| view.synced_children(folder.node)).unwrap().len(), 1);
    write(&catalog, |txn| {
        txn.remove_synced(file.node)?;
        txn.forget_node_if_absent(file.node)?;
        txn.forget_node_if_absent(folder.node)?;
        assert!(matches!(txn.touch(file.node), Err(CatalogError::NoSuchNode(_))), "forgotten");
        assert!(matches!(txn.touch(folder.node), Err(CatalogError::NoSuchNode(_))), "forgotten");
        assert_eq!(txn.dirty()?, vec![]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn only_what_l_does_not_have_is_an_orphan_of_s() {
    let (_fixture, catalog) = Fixture::catalog();
    let row = write(&catalog, |txn| {
        let row = add_file(txn, ROOT, "Song.wav")?;
        settle(txn, &[&row])?;
        Ok(row)
    })
    .unwrap();
    let key = FOLDED.key(&name("SONG.WAV"));
    assert_eq!(catalog.read(|view| view.synced_orphans_at(ROOT, &key)).unwrap(), vec![]);
    write(&catalog, |txn| txn.remove_local(row.node)).unwrap();
    assert_eq!(catalog.read(|view| view.synced_orphans_at(ROOT, &key)).unwrap(), vec![synced_of(&row)]);
}

#[test]
fn circles_in_r_and_s_are_found() {
    let (_fixture, catalog) = Fixture::catalog();
    let (a, b) = write(&catalog, |txn| {
        put_root(txn)?;
        let a = folder(txn, ROOT, "a")?;
        let b = folder(txn, a.node, "b")?;
        txn.put_remote(&RemoteRow { parent: Some(b.node), ..a.clone() })?;
        txn.put_remote(&b)?;
        for (row, parent) in [(&a, &b), (&b, &a)] {
            txn.put_synced(&SyncedRow {
                node: row.node,
                parent: Some(parent.node),
                name: row.name.clone(),
                body: SyncedBody::Folder,
            })?;
        }
        Ok((a, b))
    })
    .unwrap();
    let findings = catalog.check().unwrap();
    for node in [a.node, b.node] {
        for tree in ["remote", "synced"] {
            let expected = format!("node {node}: not below the root of the {tree} tree");
            assert!(findings.contains(&expected), "{findings:?}");
        }
    }
}
