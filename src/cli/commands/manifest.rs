//! `manifest`: every entry with its id, revision, hash, size and state.

use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::cli::lines::Lines;
use crate::cli::output::printable;
use crate::control::protocol::{ManifestItem, VaultFilter};

pub(super) async fn run(context: &Context, vault: Option<String>) -> Result {
    let daemon = context.daemon().await?;
    let mut lines = Lines::of(daemon.open("manifest", &VaultFilter { vault }).await?);
    let output = context.output;
    // One document per line in JSON, too: a manifest may be long.
    while let Some(item) = lines.next::<ManifestItem>().await? {
        if output.is_json() {
            output.json_line(&item)?;
            continue;
        }
        let absent = || "-".to_owned();
        let columns = [
            item.state.as_str().to_owned(),
            item.size.to_string(),
            item.hash.clone().unwrap_or_else(absent),
            item.revision.clone().unwrap_or_else(absent),
            item.id.clone().unwrap_or_else(absent),
        ];
        let slash = if item.kind == "folder" { "/" } else { "" };
        let columns = columns.map(|column| printable(&column).into_owned()).join("\t");
        output.line(format!("{columns}\t{}/{}{slash}", printable(&item.vault), printable(&item.path)))?;
    }
    Ok(())
}
