//! L: places, swaps, paging, paths, extended attributes.

use super::*;

#[test]
fn every_kind_of_row_comes_back_as_it_was_written() {
    let (_fixture, catalog) = Fixture::catalog();
    let rows = write(&catalog, |txn| {
        let mut rows = Vec::new();
        let mut add = |kind: NodeKind, text: &str, special: u32, content: LocalContent, local_only: bool| {
            let row = LocalRow {
                node: txn.new_node(kind)?,
                parent: Some(ROOT),
                name: name(text),
                kind,
                ino: txn.new_ino()?,
                attr: Attr { special, mode: 0o7777, size: u64::MAX >> 1, ..attr(0) },
                content,
                local_only,
            };
            txn.insert_local(&row)?;
            rows.push(row);
            Ok::<_, CatalogError>(())
        };
        let no_hash = Version { hash: None, ..version("id:9", "r9") };
        let staged = StagedId::random();
        add(NodeKind::Folder, "Folder", 0, LocalContent::None, false)?;
        add(NodeKind::Symlink, "link ü", 0, LocalContent::Symlink("../x".to_owned()), false)?;
        add(NodeKind::File, "clean.wav", 0, LocalContent::Clean(no_hash), false)?;
        let based_on = Some(version("id:8", "r8"));
        add(NodeKind::File, "edited.json", 0, LocalContent::Staged { staged, based_on }, false)?;
        add(NodeKind::Special, "pipe", 0o010_000, LocalContent::None, true)?;
        txn.put_staged(&StagedRow { id: staged, ..staged_row(rows[3].node) })?;
        Ok(rows)
    })
    .unwrap();
    catalog
        .read(|view| {
            for row in &rows {
                assert_eq!(view.local(row.node)?.as_ref(), Some(row));
                assert_eq!(view.local_by_ino(row.ino)?.as_ref(), Some(row));
                assert_eq!(view.local_child(ROOT, &row.name)?.as_ref(), Some(row));
                assert_eq!(view.local_at_path(row.name.as_str())?.as_ref(), Some(row));
            }
            assert_eq!(view.local_child(ROOT, &name("CLEAN.wav"))?, None, "names are exact");
            assert_eq!(view.totals()?, (5, u64::MAX), "saturates instead of failing");
            Ok(())
        })
        .unwrap();
    assert_sound(&catalog);
}

#[test]
fn the_root_is_there_from_the_start_and_cannot_have_a_twin() {
    let (_fixture, catalog) = Fixture::catalog();
    let root = catalog.read(|view| view.local(ROOT)).unwrap().unwrap();
    assert_eq!((root.parent, root.kind, root.ino, root.attr.mode), (None, NodeKind::Folder, InodeNo::ROOT, 0o755));
    assert_eq!(catalog.read(|view| view.local_path(ROOT)).unwrap().as_deref(), Some(""));
    assert_eq!(catalog.read(|view| view.local_at_path("")).unwrap(), Some(root.clone()));
    let twin = write(&catalog, |txn| {
        let node = txn.new_node(NodeKind::Folder)?;
        txn.insert_local(&LocalRow { node, ino: txn.new_ino()?, ..root.clone() })
    });
    assert!(refusal(twin).contains("CHECK"), "a second row without a parent");
}

#[test]
fn taken_names_missing_parents_and_parents_that_are_files_are_refused() {
    let (_fixture, catalog) = Fixture::catalog();
    let file = write(&catalog, |txn| add_file(txn, ROOT, "take.wav")).unwrap();
    assert!(matches!(write(&catalog, |txn| add_file(txn, ROOT, "take.wav")), Err(CatalogError::NameTaken)));
    assert!(write(&catalog, |txn| add_file(txn, ROOT, "Take.wav")).is_ok(), "L is unique by exact name only");
    let below_nothing = write(&catalog, |txn| add_file(txn, NodeId(999), "x"));
    assert!(matches!(below_nothing, Err(CatalogError::NoSuchNode(NodeId(999)))), "{below_nothing:?}");
    assert!(refusal(write(&catalog, |txn| add_file(txn, file.node, "x"))).contains("not a folder"));
    let no_node = write(&catalog, |txn| {
        txn.insert_local(&LocalRow { node: NodeId(555), ino: NO_INO, name: name("n"), ..file.clone() })
    });
    assert!(matches!(no_node, Err(CatalogError::NoSuchNode(NodeId(555)))), "{no_node:?}");
    let other_kind = write(&catalog, |txn| {
        let node = txn.new_node(NodeKind::Folder)?;
        txn.insert_local(&LocalRow { node, ino: NO_INO, name: name("n"), ..file.clone() })
    });
    assert!(refusal(other_kind).contains("another kind"));
    let content = LocalContent::Staged { staged: StagedId::random(), based_on: None };
    let no_bytes = write(&catalog, |txn| txn.set_local_content(file.node, &content, &attr(1)));
    assert!(refusal(no_bytes).contains("staged bytes without a row"));
    assert_eq!(
        catalog.read(|view| view.local(file.node)).unwrap(),
        Some(file),
        "every refused transaction left nothing"
    );
    assert_sound(&catalog);
}

#[test]
fn folders_with_entries_stay() {
    let (_fixture, catalog) = Fixture::catalog();
    let (folder, file) = write(&catalog, |txn| {
        let folder = add_folder(txn, ROOT, "case")?;
        let file = add_file(txn, folder.node, "brief.pdf")?;
        Ok((folder, file))
    })
    .unwrap();
    assert!(matches!(write(&catalog, |txn| txn.remove_local(folder.node)), Err(CatalogError::NotEmpty)));
    assert!(matches!(write(&catalog, |txn| txn.remove_local(ROOT)), Err(CatalogError::NotEmpty)));
    write(&catalog, |txn| {
        txn.remove_local(file.node)?;
        txn.remove_local(folder.node)
    })
    .unwrap();
    assert!(matches!(write(&catalog, |txn| txn.remove_local(folder.node)), Err(CatalogError::NoSuchNode(_))));
    assert_eq!(catalog.read(|view| view.totals()).unwrap(), (0, 0));
}

#[test]
fn names_can_be_swapped_and_rotated_in_one_transaction() {
    let (_fixture, catalog) = Fixture::catalog();
    let rows = write(&catalog, |txn| {
        ["a", "b", "c"].into_iter().map(|text| add_file(txn, ROOT, text)).collect::<Result<Vec<_>>>()
    })
    .unwrap();
    write(&catalog, |txn| {
        for (row, new) in rows.iter().zip(["b", "c", "a"]) {
            txn.update_local(&LocalRow { name: name(new), ..row.clone() })?;
            assert_eq!(txn.local_child(ROOT, &name(new))?.map(|found| found.node), Some(row.node));
        }
        Ok(())
    })
    .unwrap();
    for (row, new) in rows.iter().zip(["b", "c", "a"]) {
        assert_eq!(catalog.read(|view| view.local_at_path(new)).unwrap().unwrap().node, row.node);
    }
    assert_sound(&catalog);
}

#[test]
fn a_swap_that_is_left_half_done_is_refused_as_a_whole() {
    let (_fixture, catalog) = Fixture::catalog();
    let (a, b) = write(&catalog, |txn| Ok((add_file(txn, ROOT, "a")?, add_file(txn, ROOT, "b")?))).unwrap();
    let onto_b = LocalRow { name: name("b"), ..a.clone() };
    let half = write(&catalog, |txn| txn.update_local(&onto_b));
    assert!(matches!(half, Err(CatalogError::NameTaken)), "{half:?}");
    assert_eq!(catalog.read(|view| view.local(a.node)).unwrap(), Some(a.clone()));
    // Passing through a taken name is no conflict: the row in the way gets its place back.
    write(&catalog, |txn| {
        txn.update_local(&onto_b)?;
        txn.update_local(&LocalRow { name: name("c"), ..a.clone() })
    })
    .unwrap();
    assert_eq!(catalog.read(|view| view.local_at_path("b")).unwrap(), Some(b.clone()));
    // And a row in the way may be removed instead.
    write(&catalog, |txn| {
        txn.update_local(&onto_b)?;
        txn.remove_local(b.node)
    })
    .unwrap();
    assert_eq!(catalog.read(|view| view.local_at_path("b")).unwrap().unwrap().node, a.node);
    assert_sound(&catalog);
}

#[test]
fn pages_of_a_folder_lose_and_repeat_nothing_while_entries_come_and_go() {
    let (_fixture, catalog) = Fixture::catalog();
    let rows = write(&catalog, |txn| {
        (0..100).map(|number| add_file(txn, ROOT, &format!("{:02}", 99 - number))).collect::<Result<Vec<_>>>()
    })
    .unwrap();
    let (mut seen, mut after) = (Vec::new(), NodeId(0));
    loop {
        let page = catalog.read(|view| view.local_children(ROOT, after, 7)).unwrap();
        let Some(last) = page.last() else { break };
        after = last.node;
        seen.extend(page.iter().map(|row| row.node));
        // The entry at the position, one already seen, and one still to come go; one that was seen gets another name.
        write(&catalog, |txn| {
            txn.remove_local(after)?;
            let renamed = LocalRow { name: name(&format!("renamed {after}")), ..page[0].clone() };
            if page[0].node != after {
                txn.update_local(&renamed)?;
            }
            let ahead = txn.local_children(ROOT, after, 3)?;
            ahead.get(2).map_or(Ok(()), |row| txn.remove_local(row.node))
        })
        .unwrap();
    }
    let mut expected = seen.clone();
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(seen, expected, "in order, nothing twice");
    let left = catalog.read(|view| view.local_children(ROOT, NodeId(0), usize::MAX)).unwrap();
    assert!(left.iter().all(|row| seen.contains(&row.node)), "what stayed was seen");
    assert!(seen.len() > rows.len() / 2);
    assert_eq!(catalog.read(|view| view.local_children(ROOT, NodeId(u64::MAX), 5)).unwrap(), vec![]);
}

#[test]
fn names_that_the_provider_thinks_equal_are_found_by_key() {
    let (_fixture, catalog) = Fixture::catalog();
    let rows = write(&catalog, |txn| {
        ["Café", "cafe\u{301}", "café", "cafe"]
            .into_iter()
            .map(|text| add_file(txn, ROOT, text))
            .collect::<Result<Vec<_>>>()
    })
    .unwrap();
    let found = catalog.read(|view| view.local_by_key(ROOT, &FOLDED.key(&name("CAFÉ")))).unwrap();
    assert_eq!(found, rows[..3].to_vec());
    assert_sound(&catalog);
}

#[test]
fn paths_ancestors_and_counts_follow_a_move() {
    let (_fixture, catalog) = Fixture::catalog();
    let (top, other, deep) = write(&catalog, |txn| {
        let top = add_folder(txn, ROOT, "top")?;
        let other = add_folder(txn, ROOT, "other")?;
        let middle = add_folder(txn, top.node, "middle")?;
        Ok((top, other, add_file(txn, middle.node, "deep.txt")?))
    })
    .unwrap();
    assert_eq!(catalog.read(|view| view.local_path(deep.node)).unwrap().as_deref(), Some("top/middle/deep.txt"));
    write(&catalog, |txn| txn.update_local(&LocalRow { parent: Some(other.node), ..top.clone() })).unwrap();
    catalog
        .read(|view| {
            assert_eq!(view.local_path(deep.node)?.as_deref(), Some("other/top/middle/deep.txt"));
            assert_eq!(view.local_at_path("other/top/middle/deep.txt")?, Some(deep.clone()));
            assert_eq!(view.local_at_path("top/middle/deep.txt")?, None);
            assert_eq!(view.local_at_path("other/top/middle/deep.txt/x")?, None);
            assert!(view.is_local_ancestor(other.node, deep.node)?);
            assert!(view.is_local_ancestor(deep.node, deep.node)?);
            assert!(!view.is_local_ancestor(deep.node, other.node)?);
            assert_eq!((view.count_local_folders(ROOT)?, view.count_local_folders(other.node)?), (1, 1));
            assert!(view.has_local_children(top.node)? && !view.has_local_children(deep.node)?);
            assert_eq!(view.local_path(NodeId(999))?, None);
            assert_eq!(view.totals()?, (4, 5));
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_folder_below_itself_is_found() {
    let (_fixture, catalog) = Fixture::catalog();
    let (outer, inner) = write(&catalog, |txn| {
        let outer = add_folder(txn, ROOT, "outer")?;
        let inner = add_folder(txn, outer.node, "inner")?;
        Ok((outer, inner))
    })
    .unwrap();
    write(&catalog, |txn| txn.update_local(&LocalRow { parent: Some(inner.node), ..outer.clone() })).unwrap();
    let findings = catalog.check().unwrap();
    for row in [&outer, &inner] {
        let expected = format!("node {}: not below the root of the local tree", row.node);
        assert!(findings.contains(&expected), "{findings:?}");
    }
    assert!(matches!(catalog.read(|view| view.local_path(inner.node)), Err(CatalogError::Corrupt(_))));
}

#[test]
fn extended_attributes_follow_the_inode_through_saves_and_go_with_it() {
    let (_fixture, catalog) = Fixture::catalog();
    let (target, temporary) = write(&catalog, |txn| {
        let target = add_file(txn, ROOT, "mix.json")?;
        let temporary = add_file(txn, ROOT, "mix.json.tmp")?;
        txn.set_xattr(target.ino, b"user.tag", b"old")?;
        txn.set_xattr(target.ino, b"user.tag", b"red")?;
        txn.set_xattr(target.ino, b"user.note", b"")?;
        txn.set_xattr(temporary.ino, b"user.tag", b"blue")?;
        Ok((target, temporary))
    })
    .unwrap();
    let names = catalog.read(|view| view.xattr_names(target.ino)).unwrap();
    assert_eq!(names, vec![b"user.note".to_vec(), b"user.tag".to_vec()]);
    // A remote edit gives the name a fresh inode: the attributes come along.
    let fresh = write(&catalog, |txn| {
        let fresh = LocalRow { ino: txn.new_ino()?, ..target.clone() };
        txn.update_local(&fresh)?;
        Ok(fresh)
    })
    .unwrap();
    assert_eq!(catalog.read(|view| view.xattr(fresh.ino, b"user.tag")).unwrap().as_deref(), Some(b"red".as_slice()));
    assert_eq!(catalog.read(|view| view.xattr(target.ino, b"user.tag")).unwrap(), None);
    // An atomic save gives the node the inode of the temporary file, with that file's attributes, in either order of calls.
    write(&catalog, |txn| {
        txn.remove_local(temporary.node)?;
        txn.update_local(&LocalRow { ino: temporary.ino, ..fresh.clone() })
    })
    .unwrap();
    assert_eq!(
        catalog.read(|view| view.xattr(temporary.ino, b"user.tag")).unwrap().as_deref(),
        Some(b"blue".as_slice())
    );
    assert_eq!(catalog.read(|view| view.xattr_names(fresh.ino)).unwrap(), Vec::<Vec<u8>>::new());
    write(&catalog, |txn| {
        let again = add_file(txn, ROOT, "again.tmp")?;
        txn.set_xattr(again.ino, b"user.tag", b"green")?;
        txn.update_local(&LocalRow { ino: again.ino, ..fresh.clone() })?;
        txn.remove_local(again.node)?;
        assert!(txn.remove_xattr(again.ino, b"user.tag")? && !txn.remove_xattr(again.ino, b"user.tag")?);
        Ok(())
    })
    .unwrap();
    write(&catalog, |txn| txn.remove_local(fresh.node)).unwrap();
    assert!(write(&catalog, |txn| txn.set_xattr(fresh.ino, b"user.late", b"")).is_err(), "nobody would remove it");
    assert_sound(&catalog);
}
