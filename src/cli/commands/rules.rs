//! `rules why NAME`

use std::path::Path;

use crate::cli::args::RulesCommand;
use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::cli::target;
use crate::control::protocol::{RuleVerdict, RulesQuery};

pub(super) async fn run(context: &Context, command: RulesCommand) -> Result {
    let RulesCommand::Why { name, vault } = command;
    // What is there is meant as a file of this machine, everything else as a name or a path in the vault.
    let is_here = vault.is_none() && Path::new(&name).symlink_metadata().is_ok();
    let asked = if is_here { target::absolute(Path::new(&name))? } else { name.clone() };
    let daemon = context.daemon().await?;
    let verdict: RuleVerdict = daemon.get("rules/why", &RulesQuery { name: asked, vault }).await?;
    context.output.answer(&RuleVerdict { name, ..verdict }, |verdict| {
        let fate = match (verdict.local_only, verdict.left_out) {
            (true, _) => "stays on this machine",
            (false, true) => "is left out on this machine; the provider keeps what it has",
            (false, false) => "is synced",
        };
        let mut pairs = vec![("name", verdict.name.clone()), ("fate", fate.to_owned())];
        pairs.extend(verdict.pack.clone().map(|pack| ("rule pack", pack)));
        pairs.extend(verdict.pattern.clone().map(|pattern| ("pattern", pattern)));
        pairs.push(("why", verdict.why.clone()));
        context.output.pairs(&pairs)
    })
}
