//! The remote tree R: what the provider last told. Rows of one feed page may come in any order: parents are checked at the commit, and
//! names and provider ids may be swapped within a transaction.

use rusqlite::Row;

use super::encode::{
    all, execute, get_hash, get_kind, get_name, get_node, get_optional_node, get_optional_time, get_required, get_u64,
    hash, integer, kind, node, one, optional_node, value,
};
use super::error::Constraint;
use super::{CatalogError, RemoteBody, RemoteRow, Result, Txn, View};
use crate::types::{ContentHash, EntryName, NameKey, NodeId, NodeKind, RemoteId, Revision, Timestamp};

macro_rules! select_remote {
    ($rest:literal) => {
        concat!("SELECT node, parent, name, rid, kind, revision, size, hash, modified, target FROM remote ", $rest)
    };
}

fn remote_row(row: &Row<'_>) -> Result<RemoteRow> {
    Ok(RemoteRow {
        node: get_node(row, 0)?,
        parent: get_optional_node(row, 1)?,
        name: get_name(row, 2)?,
        rid: RemoteId(row.get(3)?),
        body: match get_kind(row, 4)? {
            NodeKind::Folder => RemoteBody::Folder,
            NodeKind::File => RemoteBody::File {
                revision: Revision(get_required(row, 5, "a revision")?),
                size: get_u64(row, 6)?,
                hash: get_hash(row, 7)?,
                modified: get_optional_time(row, 8)?,
            },
            NodeKind::Symlink => RemoteBody::Symlink { target: get_required(row, 9, "a link target")? },
            NodeKind::Special => return Err(CatalogError::Corrupt("a special file in the remote tree".to_owned())),
        },
    })
}

#[derive(Default)]
struct BodyColumns<'a> {
    revision: Option<&'a str>,
    size: Option<i64>,
    hash: Option<&'a ContentHash>,
    modified: Option<Timestamp>,
    target: Option<&'a str>,
}

fn body_columns(body: &RemoteBody) -> Result<(NodeKind, BodyColumns<'_>)> {
    Ok(match body {
        RemoteBody::Folder => (NodeKind::Folder, BodyColumns::default()),
        RemoteBody::File { revision, size, hash, modified } => (
            NodeKind::File,
            BodyColumns {
                revision: Some(&revision.0),
                size: Some(integer(*size)?),
                hash: hash.as_ref(),
                modified: *modified,
                target: None,
            },
        ),
        RemoteBody::Symlink { target } => {
            (NodeKind::Symlink, BodyColumns { target: Some(target), ..BodyColumns::default() })
        }
    })
}

impl View<'_> {
    /// A node of R.
    pub fn remote(&self, id: NodeId) -> Result<Option<RemoteRow>> {
        one(self.connection, select_remote!("WHERE node = ?1"), &[&node(id)?], remote_row)
    }

    /// By the provider's id.
    pub fn remote_by_rid(&self, rid: &RemoteId) -> Result<Option<RemoteRow>> {
        one(self.connection, select_remote!("WHERE rid = ?1 AND aside = 0"), &[&rid.0], remote_row)
    }

    /// By a name that the provider thinks equal.
    pub fn remote_by_key(&self, parent: NodeId, key: &NameKey) -> Result<Option<RemoteRow>> {
        let sql = select_remote!("WHERE parent = ?1 AND key = ?2 AND aside = 0");
        one(self.connection, sql, &[&node(parent)?, &key.0], remote_row)
    }

    /// A file of R with this content. Only files of 64 KiB and more are found: below, sending the bytes is cheaper than anything that could
    /// be done instead.
    pub fn remote_by_content(&self, content: &ContentHash, size: u64) -> Result<Option<RemoteRow>> {
        // The literal is what the index was made with.
        let sql = select_remote!("WHERE hash = ?1 AND size = ?2 AND size >= 65536 AND aside = 0 LIMIT 1");
        one(self.connection, sql, &[&hash(Some(content)), &integer(size)?], remote_row)
    }

    /// Up to `limit` nodes of R without the root, in the order of node ids after `after`, with the provider's ids.
    pub fn remote_ids(&self, after: NodeId, limit: usize) -> Result<Vec<(NodeId, RemoteId)>> {
        let sql = "SELECT node, rid FROM remote WHERE node > ?1 ORDER BY node LIMIT ?2";
        let after = after.max(NodeId::ROOT);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        all(self.connection, sql, &[&node(after)?, &limit], |row| Ok((get_node(row, 0)?, RemoteId(row.get(1)?))))
    }

    /// Walks `a/b/c` from the root, by names that the provider thinks equal. Empty components are skipped.
    pub fn remote_at_path(&self, path: &str) -> Result<Option<RemoteRow>> {
        let mut found = self.remote(NodeId::ROOT)?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let (Some(folder), Ok(name)) = (found, EntryName::new(name)) else { return Ok(None) };
            found = self.remote_by_key(folder.node, &self.rules.key(&name))?;
        }
        Ok(found)
    }

    /// Entries of a folder, in the order of node ids.
    pub fn remote_children(&self, parent: NodeId) -> Result<Vec<RemoteRow>> {
        all(self.connection, select_remote!("WHERE parent = ?1 ORDER BY node"), &[&node(parent)?], remote_row)
    }
}

const UPSERT: &str = "INSERT INTO remote (node, parent, name, key, rid, kind, revision, size, hash, modified, target) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (node) DO UPDATE SET parent = excluded.parent, \
    name = excluded.name, key = excluded.key, rid = excluded.rid, kind = excluded.kind, revision = excluded.revision, \
    size = excluded.size, hash = excluded.hash, modified = excluded.modified, target = excluded.target, aside = 0";

impl Txn<'_> {
    /// Inserts or replaces; marks dirty without touching. `NoSuchNode` if the node does not exist.
    ///
    /// Names and provider ids may be swapped or rotated within one transaction, and children may come before their folders. At
    /// the commit, [`super::Catalog::write`] fails with `NameTaken` if two rows still claim one name or one provider id, and with
    /// the name of the row if a folder is missing.
    pub fn put_remote(&self, row: &RemoteRow) -> Result<()> {
        let key = self.rules.key(&row.name);
        let mut done = self.write_remote(row, &key);
        if done.as_ref().is_err_and(|error| error.constraint() == Some(Constraint::Unique)) {
            self.set_remote_rivals_aside(row, &key)?;
            done = self.write_remote(row, &key);
        }
        self.of_node(row.node, done)?;
        self.mark_told(row.node)
    }

    fn write_remote(&self, row: &RemoteRow, key: &NameKey) -> Result<usize> {
        let (node_kind, body) = body_columns(&row.body)?;
        execute(
            self.connection,
            UPSERT,
            &[
                &node(row.node)?,
                &optional_node(row.parent)?,
                &row.name.as_str(),
                &key.0,
                &row.rid.0,
                &kind(node_kind),
                &body.revision,
                &body.size,
                &hash(body.hash),
                &body.modified.map(|time| time.0),
                &body.target,
            ],
        )
    }

    fn set_remote_rivals_aside(&self, row: &RemoteRow, key: &NameKey) -> Result<()> {
        let id = node(row.node)?;
        let by_key = "UPDATE remote SET aside = node WHERE parent = ?1 AND key = ?2 AND aside = 0 AND node <> ?3";
        let by_rid = "UPDATE remote SET aside = node WHERE rid = ?1 AND aside = 0 AND node <> ?2";
        execute(self.connection, by_key, &[&optional_node(row.parent)?, &key.0, &id])?;
        execute(self.connection, by_rid, &[&row.rid.0, &id])?;
        self.has_aside.set(true);
        Ok(())
    }

    /// `NotEmpty` if R has entries below; marks dirty. A node that R does not have is no error.
    pub fn remove_remote(&self, id: NodeId) -> Result<()> {
        let sql = "SELECT EXISTS (SELECT 1 FROM remote WHERE parent = ?1)";
        if value(self.connection, sql, &[&node(id)?])? {
            return Err(CatalogError::NotEmpty);
        }
        if execute(self.connection, "DELETE FROM remote WHERE node = ?1", &[&node(id)?])? > 0 {
            self.mark_dirty(id)?;
        }
        Ok(())
    }
}
