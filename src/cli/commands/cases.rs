//! `cases`

use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::cli::output::size;
use crate::control::protocol::{CaseList, CaseStatus, VaultFilter};

pub(super) async fn run(context: &Context, vault: Option<String>) -> Result {
    let daemon = context.daemon().await?;
    let list: CaseList = daemon.get("cases", &VaultFilter { vault }).await?;
    context.output.answer(&list, |list| {
        let rows: Vec<[String; 7]> = list.items.iter().map(row).collect();
        context.output.table(["VAULT", "STATE", "CASE", "DOCUMENTS", "OTHER FILES", "SIZE", "HERE"], &rows)?;
        if rows.is_empty() {
            context.output.note("no cases; they are folders of vaults with the layout `cases`, called by a case number or with a file `.case`");
        }
        Ok(())
    })
}

fn row(case: &CaseStatus) -> [String; 7] {
    let (documents, others) = (case.documents.to_string(), case.other_files.to_string());
    let state = case.state.as_str().to_owned();
    [case.vault.clone(), state, case.path.clone(), documents, others, size(case.bytes), size(case.hydrated_bytes)]
}
