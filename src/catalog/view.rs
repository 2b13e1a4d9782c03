//! Reading: a consistent view of the catalog. The queries are in the file of what they ask for (`local.rs`, `dirty.rs`, ...).

use std::cell::Cell;

use rusqlite::Connection;

use super::totals::{SharedTotals, Totals};
use crate::types::NameRules;

/// A consistent view of the catalog: one committed state ([`super::Catalog::read`]), or the state inside a transaction.
pub struct View<'a> {
    pub(super) connection: &'a Connection,
    pub(super) rules: &'a NameRules,
    pub(super) totals: &'a SharedTotals,
    /// What the transaction will add to the totals; zero in a reader.
    pub(super) added: Cell<Totals>,
}
