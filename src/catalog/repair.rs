//! Putting right what [`super::Catalog::check`] finds and a program may put right: forgotten marks, keys that do not follow from their
//! names, rows about nothing, wrong totals. Nothing here touches a row of L, R or S but its key: what the trees say is decided by those who
//! ask the provider.

use super::check::{Mend, RULES, Rule};
use super::encode::{all, execute, get_node, node};
use super::totals::Totals;
use super::{Catalog, CatalogError, Result, Txn};
use crate::types::{EntryName, NodeId};

impl Catalog {
    /// Repairs; returns how many rows were put right. A full listing must follow.
    pub fn repair(&self) -> Result<u64> {
        let mended = self.write(repair)?;
        // With the writer held no commit comes between the count and its correction.
        let writer = self.writer.lock();
        let (counted, known) = (Totals::count(&writer.connection)?, self.totals.get());
        if counted == known {
            return Ok(mended);
        }
        self.totals.add(counted.plus(known.negated()));
        Ok(mended + 1)
    }
}

fn repair(txn: &Txn<'_>) -> Result<u64> {
    let mut mended = mend_keys(txn)?;
    for Rule { what: _, sql, mend } in RULES {
        for culprit in all(txn.connection, sql, &[], |row| get_node(row, 0))? {
            match mend {
                Mend::ByHand => continue,
                Mend::LookAgain => txn.mark_dirty(culprit)?,
                Mend::ForgetBase => {
                    if txn.synced(culprit)?.is_some() {
                        txn.remove_synced(culprit)?;
                    }
                    txn.mark_dirty(culprit)?;
                }
                Mend::Remove(table) => {
                    execute(txn.connection, &format!("DELETE FROM {table} WHERE node = ?1"), &[&node(culprit)?])?;
                }
            }
            mended += 1;
        }
    }
    Ok(mended)
}

/// Keys follow from names.
fn mend_keys(txn: &Txn<'_>) -> Result<u64> {
    let mut mended = 0;
    for table in ["local", "remote", "synced"] {
        let stored = if table == "local" { "coalesce(key, name)" } else { "key" };
        let sql = format!("SELECT node, name, {stored} FROM {table} WHERE parent IS NOT NULL");
        let rows: Vec<(NodeId, String, String)> =
            all(txn.connection, &sql, &[], |row| Ok((get_node(row, 0)?, row.get(1)?, row.get(2)?)))?;
        for (id, name, stored) in rows {
            let name = EntryName::new(name).map_err(|error| CatalogError::Corrupt(format!("node {id}: {error}")))?;
            let key = txn.rules.key(&name).0;
            if key == stored {
                continue;
            }
            let key = if table == "local" && key == name.as_str() { None } else { Some(key) };
            execute(txn.connection, &format!("UPDATE {table} SET key = ?2 WHERE node = ?1"), &[&node(id)?, &key])?;
            txn.mark_dirty(id)?;
            mended += 1;
        }
    }
    Ok(mended)
}
