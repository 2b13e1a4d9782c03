//! Moves and copies.

use serde_json::{Value, json};

use super::{Answer, Reply, lookup};
use crate::dropbox::model::relocate::{Kind, RelocationError};
use crate::dropbox::model::write::WriteError;
use crate::dropbox::service::Call;
use crate::dropbox::wire::errors::relocation_error;
use crate::dropbox::wire::metadata::{Eye, Tagged};
use crate::dropbox::wire::{Args, PathArg, PathKind, Refusal, nest, tag};
use crate::faults::Special;

/// From where to where.
pub(crate) struct Way {
    from: PathArg,
    to: PathArg,
}

impl Way {
    pub(crate) fn take(args: &mut Args) -> Result<Self, Refusal> {
        Ok(Self { from: args.path("from_path", PathKind::Write)?, to: args.path("to_path", PathKind::Write)? })
    }

    /// Moves or copies; the metadata of what arrived, or a `RelocationError`.
    pub(crate) fn carry_out(&self, call: &Call<'_>, kind: Kind, autorename: bool) -> Result<Value, Value> {
        let mut world = call.world();
        if Special::NotFoundYet.is(call.special) {
            return Err(nest("from_lookup", tag("not_found")));
        }
        let from = lookup::locate(&world, call.view, &self.from).map_err(|error| nest("from_lookup", error))?;
        let to = lookup::locate(&world, call.view, &self.to)
            .map_err(|_| relocation_error(RelocationError::To(WriteError::Malformed)))?;
        let author = call.author();
        let place = world.relocate(call.view, kind, &from, &to, autorename, &author).map_err(relocation_error)?;
        let eye = Eye { world: &world, view: call.view, account: &call.caller.account };
        Ok(eye.place(&place, Tagged::Yes))
    }
}

fn one(call: &Call<'_>, mut args: Args, kind: Kind) -> Result<Value, Refusal> {
    let way = Way::take(&mut args)?;
    let autorename = args.flag("autorename")?;
    args.flag("allow_shared_folder")?;
    args.flag("allow_ownership_transfer")?;
    args.done()?;
    way.carry_out(call, kind, autorename).map_err(Refusal::Api)
}

pub(crate) fn move_v2(call: &Call<'_>, args: Args) -> Answer {
    Ok(Reply::json(&json!({ "metadata": one(call, args, Kind::Move)? })))
}

pub(crate) fn copy_v2(call: &Call<'_>, args: Args) -> Answer {
    Ok(Reply::json(&json!({ "metadata": one(call, args, Kind::Copy)? })))
}

pub(crate) fn move_v1(call: &Call<'_>, args: Args) -> Answer {
    Ok(Reply::json(&one(call, args, Kind::Move)?))
}

pub(crate) fn copy_v1(call: &Call<'_>, args: Args) -> Answer {
    Ok(Reply::json(&one(call, args, Kind::Copy)?))
}
