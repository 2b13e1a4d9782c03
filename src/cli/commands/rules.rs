//! `rules why NAME`

use crate::cli::args::RulesCommand;
use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::control::protocol::{RuleVerdict, RulesQuery};

pub(super) async fn run(context: &Context, command: RulesCommand) -> Result {
    let RulesCommand::Why { name, vault } = command;
    let daemon = context.daemon().await?;
    let verdict: RuleVerdict = daemon.get("rules/why", &RulesQuery { name, vault }).await?;
    context.output.answer(&verdict, |verdict| {
        let fate = if verdict.local_only { "stays on this machine" } else { "is synced" };
        let mut pairs = vec![("name", verdict.name.clone()), ("fate", fate.to_owned())];
        pairs.extend(verdict.pack.clone().map(|pack| ("rule pack", pack)));
        pairs.extend(verdict.pattern.clone().map(|pattern| ("pattern", pattern)));
        pairs.push(("why", verdict.why.clone()));
        context.output.pairs(&pairs)
    })
}
