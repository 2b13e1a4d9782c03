//! The cases of vaults with the layout `cases`: found in the catalog by names alone, each with what it adds up to. Nothing is opened or
//! fetched for it.

use std::collections::HashMap;
use std::sync::Arc;

use super::status::count;
use crate::catalog::{LocalRow, View};
use crate::control::protocol::{CaseList, CaseStatus, CaseTotals, ErrorCode, FileState, Problem, VaultFilter};
use crate::control::service::Reply;
use crate::daemon::blocking::blocking;
use crate::daemon::vault::OpenVault;
use crate::daemon::{Daemon, problems};
use crate::rules::is_document;
use crate::types::{EntryName, NodeId, NodeKind};
use crate::vaults::layout::LayoutKind;
use crate::vaults::layout::cases::{MARKERS, is_case};

impl Daemon {
    pub(super) async fn list_cases(self: &Arc<Self>, filter: VaultFilter) -> Reply<CaseList> {
        let mut items = Vec::new();
        for vault in self.find_all(filter.vault.as_deref()).await? {
            let layout = vault.vaultfs.layout;
            if layout == LayoutKind::Cases {
                let open = self.open(&vault).await?;
                items.extend(blocking(move || open.cases()).await?);
            } else if filter.vault.is_some() {
                let what = format!("`{}` has the layout `{layout}`, in which no folder is a case", vault.name);
                return Err(Problem::new(ErrorCode::InvalidRequest, what)
                    .hint("a layout is chosen when a vault is added: `vaultfs vault add NAME --layout cases ...`"));
            }
        }
        Ok(CaseList { items })
    }
}

impl OpenVault {
    /// Every case, in the order of paths. What is in a case inside another one counts there alone.
    pub(super) fn cases(&self) -> Result<Vec<CaseStatus>, Problem> {
        let name = self.name();
        let in_catalog = |error| problems::catalog(&name, &error);
        let states = self.states()?;
        let Some(root) = self.catalog.read(|view| view.local(NodeId::ROOT)).map_err(in_catalog)? else {
            return Ok(Vec::new());
        };
        let markers: Vec<EntryName> = MARKERS.iter().filter_map(|marker| EntryName::new(*marker).ok()).collect();
        let mut cases: Vec<CaseStatus> = Vec::new();
        // Which case a folder belongs to; folders outside of cases are not in it.
        let mut belongs: HashMap<NodeId, usize> = HashMap::new();
        self.walk(&root, &mut |row| {
            let mut case = row.parent.and_then(|folder| belongs.get(&folder).copied());
            if row.kind == NodeKind::Folder {
                let marked = self.catalog.read(|view| is_marked(view, row, &markers)).map_err(in_catalog)?;
                if is_case(&row.name, marked, case.is_some()) {
                    let path = self.catalog.read(|view| super::walk::path_of(view, row.node)).map_err(in_catalog)?;
                    case = Some(cases.len());
                    cases.push(empty(&name, path));
                }
                belongs.extend(case.map(|case| (row.node, case)));
            }
            if let Some(case) = case.and_then(|case| cases.get_mut(case)) {
                case.state = case.state.max(states.of(self, row)?);
                if row.kind != NodeKind::Folder {
                    let documents =
                        if is_document(row.name.as_str()) { &mut case.documents } else { &mut case.other_files };
                    *documents += 1;
                    case.bytes += row.attr.size;
                    case.hydrated_bytes += self.hydrated_bytes(row).min(row.attr.size);
                }
            }
            Ok(())
        })?;
        cases.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(cases)
    }
}

fn is_marked(view: &View<'_>, folder: &LocalRow, markers: &[EntryName]) -> crate::catalog::Result<bool> {
    for marker in markers {
        if view.local_child(folder.node, marker)?.is_some_and(|row| row.kind == NodeKind::File) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// All of them together.
pub(super) fn totals(cases: &[CaseStatus]) -> CaseTotals {
    let mut totals = CaseTotals { cases: count(cases.len()), ..CaseTotals::default() };
    for case in cases {
        *totals.states.entry(case.state.as_str().to_owned()).or_default() += 1;
        totals.documents += case.documents;
        totals.other_files += case.other_files;
    }
    totals
}

fn empty(vault: &str, path: String) -> CaseStatus {
    CaseStatus {
        vault: vault.to_owned(),
        path,
        state: FileState::Synced,
        documents: 0,
        other_files: 0,
        bytes: 0,
        hydrated_bytes: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_marks_a_case_takes_part_where_documents_do() {
        assert!(MARKERS.into_iter().all(is_document));
    }
}
