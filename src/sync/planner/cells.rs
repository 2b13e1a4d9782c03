//! Counts of the decision cells that a plan went through: the coverage measure of the property tests.

use std::collections::BTreeMap;

/// Counts by name of cell or rule.
#[derive(Default, Debug)]
pub(super) struct Cells(pub(super) BTreeMap<&'static str, u64>);

impl Cells {
    /// One more.
    pub(super) fn count(&mut self, key: &'static str) {
        *self.0.entry(key).or_default() += 1;
    }
}
