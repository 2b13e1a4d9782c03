//! Extended attributes, which belong to an inode and go with it, and pins, which belong to a node.

use super::encode::{all, execute, get_node, ino, node, one, value};
use super::{CatalogError, Result, Txn, View};
use crate::types::{InodeNo, NodeId};

impl View<'_> {
    /// An extended attribute.
    pub fn xattr(&self, number: InodeNo, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let sql = "SELECT value FROM xattr WHERE ino = ?1 AND name = ?2";
        one(self.connection, sql, &[&ino(number)?, &name], |row| Ok(row.get(0)?))
    }

    /// Names of the extended attributes, in byte order.
    pub fn xattr_names(&self, number: InodeNo) -> Result<Vec<Vec<u8>>> {
        let sql = "SELECT name FROM xattr WHERE ino = ?1 ORDER BY name";
        all(self.connection, sql, &[&ino(number)?], |row| Ok(row.get(0)?))
    }

    /// True if the node itself is pinned.
    pub fn is_pinned(&self, id: NodeId) -> Result<bool> {
        value(self.connection, "SELECT EXISTS (SELECT 1 FROM pin WHERE node = ?1)", &[&node(id)?])
    }

    /// Pinned nodes, in the order of ids.
    pub fn pins(&self) -> Result<Vec<NodeId>> {
        all(self.connection, "SELECT node FROM pin ORDER BY node", &[], |row| get_node(row, 0))
    }
}

impl Txn<'_> {
    /// Sets an extended attribute. Refused (`QueryReturnedNoRows`) if no name stands for this inode: nobody would ever remove it.
    pub fn set_xattr(&self, number: InodeNo, name: &[u8], value: &[u8]) -> Result<()> {
        let sql = "INSERT INTO xattr (ino, name, value) SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM local WHERE ino = ?1) \
            ON CONFLICT (ino, name) DO UPDATE SET value = excluded.value";
        if execute(self.connection, sql, &[&ino(number)?, &name, &value])? == 0 {
            return Err(CatalogError::Sqlite(rusqlite::Error::QueryReturnedNoRows));
        }
        Ok(())
    }

    /// False if there was none.
    pub fn remove_xattr(&self, number: InodeNo, name: &[u8]) -> Result<bool> {
        let sql = "DELETE FROM xattr WHERE ino = ?1 AND name = ?2";
        Ok(execute(self.connection, sql, &[&ino(number)?, &name])? > 0)
    }

    /// Pins or unpins the node itself.
    pub fn set_pinned(&self, id: NodeId, pinned: bool) -> Result<()> {
        let sql = if pinned {
            "INSERT INTO pin (node) VALUES (?1) ON CONFLICT (node) DO NOTHING"
        } else {
            "DELETE FROM pin WHERE node = ?1"
        };
        self.of_node(id, execute(self.connection, sql, &[&node(id)?]))
    }
}
