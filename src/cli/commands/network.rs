//! `offline|online [NAME]`

use crate::cli::args::NetworkArgs;
use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::cli::output::counted;
use crate::control::protocol::{Changed, NetworkRequest};

pub(super) async fn run(context: &Context, arguments: NetworkArgs, offline: bool) -> Result {
    let daemon = context.daemon().await?;
    let request = NetworkRequest { vault: arguments.name, offline };
    let changed: Changed = daemon.post("network", &request).await?;
    context.output.answer(&changed, |changed| {
        let vaults = counted(changed.count, "vault is", "vaults are");
        context.output.note(format!("{vaults} {}", if offline { "offline now" } else { "online again" }));
        Ok(())
    })
}
