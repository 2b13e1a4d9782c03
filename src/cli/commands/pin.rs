//! `pin|unpin|evict PATH`

use crate::cli::args::TargetArgs;
use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::cli::output::{counted, size};
use crate::cli::target::target;
use crate::control::protocol::ContentChange;
use crate::control::service::ContentVerb;

pub(super) async fn run(context: &Context, verb: ContentVerb, arguments: TargetArgs) -> Result {
    let daemon = context.daemon().await?;
    let target = target(Some(&arguments.path), arguments.vault)?;
    let address = match verb {
        ContentVerb::Pin => "content/pin",
        ContentVerb::Unpin => "content/unpin",
        ContentVerb::Evict => "content/evict",
    };
    let change: ContentChange = daemon.post(address, &target).await?;
    context.output.answer(&change, |change| {
        let files = counted(change.files, "file", "files");
        let said = match verb {
            ContentVerb::Pin => format!("{files} will be kept here; {} to fetch", size(change.bytes)),
            ContentVerb::Unpin => format!("{files} no longer kept here; the bytes stay until space is needed"),
            ContentVerb::Evict => format!("{} freed, of {files}", size(change.bytes)),
        };
        context.output.note(said);
        if change.kept > 0 {
            let kept = counted(change.kept, "file was", "files were");
            context.output.note(match verb {
                ContentVerb::Unpin => format!("{kept} kept all the same: a folder above is pinned"),
                ContentVerb::Pin | ContentVerb::Evict => {
                    format!("{kept} kept: not in the cloud yet, pinned, or open")
                }
            });
        }
        Ok(())
    })
}
