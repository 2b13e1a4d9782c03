//! The local tree L: what the mount shows. The hot path of the filesystem core, so that every statement is prepared once, goes through
//! an index, and touches no more of them than its columns need.

use rusqlite::Row;

use super::encode::{
    all, execute, get_kind, get_name, get_node, get_optional_node, get_required, get_staged, get_time, get_u64,
    get_version, hash, ino, integer, kind, node, one, optional_node, value,
};
use super::error::Constraint;
use super::totals::Totals;
use super::{Attr, CatalogError, LocalContent, LocalRow, Result, Txn, Version, View};
use crate::types::{EntryName, InodeNo, NameKey, NodeId, NodeKind};

/// Deeper than any tree that a provider or `PATH_MAX` allows: a walk that gets here goes in circles.
const MAX_DEPTH: usize = 65_536;

macro_rules! select_local {
    ($rest:literal) => {
        concat!(
            "SELECT node, parent, name, kind, ino, mode, uid, gid, rdev, special, size, atime, mtime, ctime, btime, ",
            "local_only, content, target, staged, rid, revision, version_size, hash FROM local ",
            $rest
        )
    };
}

fn local_row(row: &Row<'_>) -> Result<LocalRow> {
    Ok(LocalRow {
        node: get_node(row, 0)?,
        parent: get_optional_node(row, 1)?,
        name: get_name(row, 2)?,
        kind: get_kind(row, 3)?,
        ino: InodeNo(get_u64(row, 4)?),
        attr: Attr {
            mode: row.get(5)?,
            uid: row.get(6)?,
            gid: row.get(7)?,
            rdev: row.get(8)?,
            special: row.get(9)?,
            size: get_u64(row, 10)?,
            atime: get_time(row, 11)?,
            mtime: get_time(row, 12)?,
            ctime: get_time(row, 13)?,
            btime: get_time(row, 14)?,
        },
        local_only: row.get(15)?,
        content: match row.get::<_, i64>(16)? {
            0 => LocalContent::None,
            1 => LocalContent::Symlink(get_required(row, 17, "a link target")?),
            2 => LocalContent::Clean(
                get_version(row, 19)?
                    .ok_or_else(|| CatalogError::Corrupt("a clean row without a version".to_owned()))?,
            ),
            3 => LocalContent::Staged { staged: get_staged(row, 18)?, based_on: get_version(row, 19)? },
            other => return Err(CatalogError::Corrupt(format!("unknown content {other}"))),
        },
    })
}

/// The seven columns of a content: code, target, staged, and the four of a version.
struct ContentColumns<'a> {
    code: i64,
    target: Option<&'a str>,
    staged: Option<[u8; 16]>,
    version: Option<&'a Version>,
    version_size: Option<i64>,
    hash: Option<[u8; 33]>,
}

impl<'a> ContentColumns<'a> {
    fn of(content: &'a LocalContent) -> Result<Self> {
        let (code, target, staged, version) = match content {
            LocalContent::None => (0, None, None, None),
            LocalContent::Symlink(target) => (1, Some(target.as_str()), None, None),
            LocalContent::Clean(version) => (2, None, None, Some(version)),
            LocalContent::Staged { staged, based_on } => (3, None, Some(staged.0.into_bytes()), based_on.as_ref()),
        };
        let version_size = version.map(|version| integer(version.size)).transpose()?;
        Ok(Self {
            code,
            target,
            staged,
            version,
            version_size,
            hash: hash(version.and_then(|version| version.hash.as_ref())),
        })
    }

    fn rid(&self) -> Option<&'a str> {
        self.version.map(|version| version.rid.0.as_str())
    }

    fn revision(&self) -> Option<&'a str> {
        self.version.map(|version| version.revision.0.as_str())
    }
}

impl View<'_> {
    /// A node of L.
    pub fn local(&self, id: NodeId) -> Result<Option<LocalRow>> {
        one(self.connection, select_local!("WHERE node = ?1"), &[&node(id)?], local_row)
    }

    /// By inode number.
    pub fn local_by_ino(&self, number: InodeNo) -> Result<Option<LocalRow>> {
        one(self.connection, select_local!("WHERE ino = ?1 AND aside = 0"), &[&ino(number)?], local_row)
    }

    /// By exact name.
    pub fn local_child(&self, parent: NodeId, name: &EntryName) -> Result<Option<LocalRow>> {
        self.local_child_named(parent, name.as_str())
    }

    fn local_child_named(&self, parent: NodeId, name: &str) -> Result<Option<LocalRow>> {
        let sql = select_local!("WHERE parent = ?1 AND name = ?2 AND aside = 0");
        one(self.connection, sql, &[&node(parent)?, &name], local_row)
    }

    /// All entries of a folder whose key is `key` (names that the provider thinks equal), in the order of node ids.
    pub fn local_by_key(&self, parent: NodeId, key: &NameKey) -> Result<Vec<LocalRow>> {
        let parent = node(parent)?;
        let spelled_as_key = select_local!("WHERE parent = ?1 AND name = ?2 AND aside = 0 AND key IS NULL");
        let spelled_otherwise = select_local!("WHERE parent = ?1 AND key = ?2 AND aside = 0");
        let mut rows = all(self.connection, spelled_as_key, &[&parent, &key.0], local_row)?;
        rows.extend(all(self.connection, spelled_otherwise, &[&parent, &key.0], local_row)?);
        rows.sort_by_key(|row| row.node);
        Ok(rows)
    }

    /// Up to `limit` entries with node id above `after`, in the order of node ids: a position that holds while entries come and go.
    pub fn local_children(&self, parent: NodeId, after: NodeId, limit: usize) -> Result<Vec<LocalRow>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // `after` is often `u64::MAX` or another number from a caller's cursor: what is above every id has nothing after it.
        let after = i64::try_from(after.0).unwrap_or(i64::MAX);
        let sql = select_local!("INDEXED BY local_by_parent WHERE parent = ?1 AND node > ?2 ORDER BY node LIMIT ?3");
        all(self.connection, sql, &[&node(parent)?, &after, &limit], local_row)
    }

    /// Up to `limit` names of one kind with node id above `after`, wherever they are, in the order of node ids.
    pub fn local_names(&self, of: NodeKind, after: NodeId, limit: usize) -> Result<Vec<(NodeId, EntryName)>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql =
            "SELECT node, name FROM local WHERE node > ?1 AND kind = ?2 AND parent IS NOT NULL ORDER BY node LIMIT ?3";
        let named = |row: &Row<'_>| Ok((get_node(row, 0)?, get_name(row, 1)?));
        all(self.connection, sql, &[&node(after)?, &kind(of), &limit], named)
    }

    /// True if the folder has an entry.
    pub fn has_local_children(&self, parent: NodeId) -> Result<bool> {
        value(self.connection, "SELECT EXISTS (SELECT 1 FROM local WHERE parent = ?1)", &[&node(parent)?])
    }

    /// Number of child folders (for `st_nlink`).
    pub fn count_local_folders(&self, parent: NodeId) -> Result<u64> {
        let sql = "SELECT count(*) FROM local INDEXED BY local_folders WHERE parent = ?1 AND kind = 1";
        let count: i64 = value(self.connection, sql, &[&node(parent)?])?;
        u64::try_from(count).map_err(|_| CatalogError::Corrupt("a negative count".to_owned()))
    }

    /// `a/b/c` without a leading slash; empty for the root; `None` if the node is not in L.
    pub fn local_path(&self, id: NodeId) -> Result<Option<String>> {
        let mut names: Vec<String> = Vec::new();
        let mut current = node(id)?;
        for _ in 0..MAX_DEPTH {
            let found = one(self.connection, "SELECT parent, name FROM local WHERE node = ?1", &[&current], |row| {
                Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, String>(1)?))
            })?;
            match found {
                None => return Ok(None),
                Some((None, _)) => {
                    names.reverse();
                    return Ok(Some(names.join("/")));
                }
                Some((Some(parent), name)) => {
                    names.push(name);
                    current = parent;
                }
            }
        }
        Err(CatalogError::Corrupt(format!("node {id} is below itself in the local tree")))
    }

    /// Walks `a/b/c` from the root by exact names. Empty components are skipped.
    pub fn local_at_path(&self, path: &str) -> Result<Option<LocalRow>> {
        let mut found = self.local(NodeId::ROOT)?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let Some(folder) = found else { return Ok(None) };
            found = self.local_child_named(folder.node, name)?;
        }
        Ok(found)
    }

    /// True if `ancestor` is `node` or above it in L.
    pub fn is_local_ancestor(&self, ancestor: NodeId, id: NodeId) -> Result<bool> {
        let ancestor = node(ancestor)?;
        let mut current = node(id)?;
        for _ in 0..MAX_DEPTH {
            if current == ancestor {
                return Ok(true);
            }
            let sql = "SELECT parent FROM local WHERE node = ?1";
            match one(self.connection, sql, &[&current], |row| Ok(row.get::<_, Option<i64>>(0)?))?.flatten() {
                Some(parent) => current = parent,
                None => return Ok(false),
            }
        }
        Err(CatalogError::Corrupt(format!("node {id} is below itself in the local tree")))
    }
}

const INSERT: &str = "INSERT INTO local (node, parent, name, key, kind, ino, mode, uid, gid, rdev, special, size, atime, \
    mtime, ctime, btime, local_only, content, target, staged, rid, revision, version_size, hash) VALUES (?1, ?2, ?3, ?4, ?5, \
    ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)";

const UPDATE: &str = "UPDATE local SET parent = ?2, name = ?3, key = ?4, kind = ?5, ino = ?6, mode = ?7, uid = ?8, \
    gid = ?9, rdev = ?10, special = ?11, size = ?12, atime = ?13, mtime = ?14, ctime = ?15, btime = ?16, local_only = ?17, \
    content = ?18, target = ?19, staged = ?20, rid = ?21, revision = ?22, version_size = ?23, hash = ?24, aside = 0 \
    WHERE node = ?1";

const UPDATE_CONTENT: &str = "UPDATE local SET mode = ?2, uid = ?3, gid = ?4, rdev = ?5, special = ?6, size = ?7, \
    atime = ?8, mtime = ?9, ctime = ?10, btime = ?11, content = ?12, target = ?13, staged = ?14, rid = ?15, revision = ?16, \
    version_size = ?17, hash = ?18 WHERE node = ?1";

const UPDATE_ATTR: &str = "UPDATE local SET mode = ?2, uid = ?3, gid = ?4, rdev = ?5, special = ?6, size = ?7, \
    atime = ?8, mtime = ?9, ctime = ?10, btime = ?11 WHERE node = ?1";

impl Txn<'_> {
    /// Runs [`INSERT`] or [`UPDATE`], whose parameters are the same.
    fn write_local(&self, sql: &str, row: &LocalRow) -> Result<usize> {
        let key = self.rules.key(&row.name).0;
        let key = (key != row.name.as_str()).then_some(key);
        let content = self.content_columns(row.node, &row.content)?;
        let attr = &row.attr;
        execute(
            self.connection,
            sql,
            &[
                &node(row.node)?,
                &optional_node(row.parent)?,
                &row.name.as_str(),
                &key,
                &kind(row.kind),
                &ino(row.ino)?,
                &attr.mode,
                &attr.uid,
                &attr.gid,
                &attr.rdev,
                &attr.special,
                &integer(attr.size)?,
                &attr.atime.0,
                &attr.mtime.0,
                &attr.ctime.0,
                &attr.btime.0,
                &row.local_only,
                &content.code,
                &content.target,
                &content.staged,
                &content.rid(),
                &content.revision(),
                &content.version_size,
                &content.hash,
            ],
        )
    }

    /// `NameTaken` if (parent, name) is taken; `NoSuchNode` if the node or its folder is missing; touches the node. A staged row that the
    /// content names must exist by the end of the transaction.
    pub fn insert_local(&self, row: &LocalRow) -> Result<()> {
        if let Err(error) = self.write_local(INSERT, row) {
            return Err(self.explain_refusal(row, error)?);
        }
        if row.parent.is_some() {
            self.add_to_totals(Totals::of_row(row.attr.size));
        }
        self.touch_local(row.node, row.local_only)
    }

    fn explain_refusal(&self, row: &LocalRow, error: CatalogError) -> Result<CatalogError> {
        Ok(match error.constraint() {
            Some(Constraint::Unique) if self.is_name_taken(row)? => CatalogError::NameTaken,
            Some(Constraint::ForeignKey) => CatalogError::NoSuchNode(self.missing_node(row)?),
            Some(Constraint::Unique) | None => error,
        })
    }

    fn is_name_taken(&self, row: &LocalRow) -> Result<bool> {
        let Some(parent) = row.parent else { return Ok(false) };
        Ok(self.local_child(parent, &row.name)?.is_some_and(|other| other.node != row.node))
    }

    fn missing_node(&self, row: &LocalRow) -> Result<NodeId> {
        let is_node: bool =
            value(self.connection, "SELECT EXISTS (SELECT 1 FROM node WHERE id = ?1)", &[&node(row.node)?])?;
        Ok(if is_node { row.parent.unwrap_or(row.node) } else { row.node })
    }

    /// Replaces all columns of an existing row (place, ino, attributes, content); touches the node.
    ///
    /// Names and inode numbers may be swapped or rotated within one transaction: a row in the way is set aside until it gets its
    /// own new place. If it still has none at the commit, [`super::Catalog::write`] fails with `NameTaken`.
    ///
    /// Extended attributes: a row that gets a fresh inode number takes its attributes along; a row that gets the number of another row
    /// (an atomic save) gets the attributes of that number.
    pub fn update_local(&self, row: &LocalRow) -> Result<()> {
        let (old_ino, _) = self.resize(row.node, row.attr.size)?;
        let takes_over =
            old_ino != row.ino && (self.released.borrow().contains(&row.ino) || self.is_ino_in_use(row.ino)?);
        let mut done = self.write_local(UPDATE, row);
        if done.as_ref().is_err_and(|error| error.constraint() == Some(Constraint::Unique)) {
            self.set_local_rivals_aside(row)?;
            done = self.write_local(UPDATE, row);
        }
        if let Err(error) = done {
            return Err(self.explain_refusal(row, error)?);
        }
        if old_ino != row.ino {
            if !takes_over {
                execute(
                    self.connection,
                    "UPDATE xattr SET ino = ?2 WHERE ino = ?1",
                    &[&ino(old_ino)?, &ino(row.ino)?],
                )?;
            }
            self.released.borrow_mut().push(old_ino);
        }
        self.touch_local(row.node, row.local_only)
    }

    /// Before an update: the inode number and whether the row is local-only, with the new size put into the totals.
    fn resize(&self, id: NodeId, size: u64) -> Result<(InodeNo, bool)> {
        let found =
            one(self.connection, "SELECT ino, local_only, size FROM local WHERE node = ?1", &[&node(id)?], |row| {
                Ok((InodeNo(get_u64(row, 0)?), row.get::<_, bool>(1)?, get_u64(row, 2)?))
            })?;
        let (number, local_only, old_size) = found.ok_or(CatalogError::NoSuchNode(id))?;
        if size != old_size && id != NodeId::ROOT {
            self.add_to_totals(Totals { nodes: 0, bytes: i128::from(size) - i128::from(old_size) });
        }
        Ok((number, local_only))
    }

    fn is_ino_in_use(&self, number: InodeNo) -> Result<bool> {
        value(self.connection, "SELECT EXISTS (SELECT 1 FROM local WHERE ino = ?1)", &[&ino(number)?])
    }

    fn set_local_rivals_aside(&self, row: &LocalRow) -> Result<()> {
        let id = node(row.node)?;
        let by_name = "UPDATE local SET aside = node WHERE parent = ?1 AND name = ?2 AND aside = 0 AND node <> ?3";
        let by_ino = "UPDATE local SET aside = node WHERE ino = ?1 AND aside = 0 AND node <> ?2";
        execute(self.connection, by_name, &[&optional_node(row.parent)?, &row.name.as_str(), &id])?;
        execute(self.connection, by_ino, &[&ino(row.ino)?, &id])?;
        self.has_aside.set(true);
        Ok(())
    }

    /// Attributes only; does not make the node dirty.
    pub fn set_local_attr(&self, id: NodeId, attr: &Attr) -> Result<()> {
        self.resize(id, attr.size)?;
        execute(
            self.connection,
            UPDATE_ATTR,
            &[
                &node(id)?,
                &attr.mode,
                &attr.uid,
                &attr.gid,
                &attr.rdev,
                &attr.special,
                &integer(attr.size)?,
                &attr.atime.0,
                &attr.mtime.0,
                &attr.ctime.0,
                &attr.btime.0,
            ],
        )?;
        Ok(())
    }

    /// Content and attributes; touches the node. A staged row that the content names must exist by the end of the transaction.
    pub fn set_local_content(&self, id: NodeId, content: &LocalContent, attr: &Attr) -> Result<()> {
        let (_, local_only) = self.resize(id, attr.size)?;
        let columns = self.content_columns(id, content)?;
        execute(
            self.connection,
            UPDATE_CONTENT,
            &[
                &node(id)?,
                &attr.mode,
                &attr.uid,
                &attr.gid,
                &attr.rdev,
                &attr.special,
                &integer(attr.size)?,
                &attr.atime.0,
                &attr.mtime.0,
                &attr.ctime.0,
                &attr.btime.0,
                &columns.code,
                &columns.target,
                &columns.staged,
                &columns.rid(),
                &columns.revision(),
                &columns.version_size,
                &columns.hash,
            ],
        )?;
        self.touch_local(id, local_only)
    }

    fn content_columns<'c>(&self, id: NodeId, content: &'c LocalContent) -> Result<ContentColumns<'c>> {
        if let LocalContent::Staged { .. } = content {
            self.staged_changed.borrow_mut().push(id);
        }
        ContentColumns::of(content)
    }

    /// `NotEmpty` for a folder with entries, `NoSuchNode` if L does not have the node. Removes the pin of the node and, unless another
    /// row has taken its inode over by the end of the transaction, the extended attributes; touches the node. A staged row stays, for
    /// whoever collects it.
    pub fn remove_local(&self, id: NodeId) -> Result<()> {
        let id_sql = node(id)?;
        let sql = "SELECT kind, ino, local_only, size FROM local WHERE node = ?1";
        let found = one(self.connection, sql, &[&id_sql], |row| {
            Ok((get_kind(row, 0)?, InodeNo(get_u64(row, 1)?), row.get::<_, bool>(2)?, get_u64(row, 3)?))
        })?;
        let (node_kind, number, local_only, size) = found.ok_or(CatalogError::NoSuchNode(id))?;
        if node_kind == NodeKind::Folder && self.has_local_children(id)? {
            return Err(CatalogError::NotEmpty);
        }
        execute(self.connection, "DELETE FROM local WHERE node = ?1", &[&id_sql])?;
        execute(self.connection, "DELETE FROM pin WHERE node = ?1", &[&id_sql])?;
        self.released.borrow_mut().push(number);
        if id != NodeId::ROOT {
            self.add_to_totals(Totals::of_row(size).negated());
        }
        self.touch_local(id, local_only)
    }
}
