//! `new collection|project|mix PATH`

use crate::cli::args::{MusicArg, NewArgs};
use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::cli::target::target;
use crate::control::protocol::{MakeMusic, MusicFolder, MusicKind};

pub(super) async fn run(context: &Context, arguments: NewArgs) -> Result {
    let NewArgs { kind, target: place } = arguments;
    let kind = match kind {
        MusicArg::Collection => MusicKind::Collection,
        MusicArg::Project => MusicKind::Project,
        MusicArg::Mix => MusicKind::Mix,
    };
    let request = MakeMusic { target: target(Some(&place.path), place.vault)?, kind };
    let made: MusicFolder = context.daemon().await?.post("music", &request).await?;
    context.output.answer(&made, |made| {
        context.output.note(format!("vault {}: made the {} `{}`, in {}", made.vault, made.kind, made.name, made.path));
        Ok(())
    })
}
