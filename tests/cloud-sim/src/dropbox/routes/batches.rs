//! Batches that run as jobs: none is atomic, each entry has an outcome of its own.

use serde_json::{Value, json};

use super::delete::Target;
use super::relocate::Way;
use super::{Answer, Reply, folders, sessions};
use crate::dropbox::jobs::{Found, Kind};
use crate::dropbox::model::relocate;
use crate::dropbox::service::Call;
use crate::dropbox::wire::errors::write_error;
use crate::dropbox::wire::{Args, PathArg, PathKind, Refusal, nest, tag};

/// Most entries of a batch.
const MOST: usize = 1000;

/// Most folders of a batch.
const MOST_FOLDERS: usize = 10_000;

/// From so many folders on a batch is a job.
const FOLDERS_OF_A_JOB: usize = 80;

/// Starts a job whose outcome is known already, and tells it only when it is asked for the second time.
fn launch(call: &Call<'_>, kind: Kind, result: Value) -> Answer {
    let id = format!("dbjid:AA{}", call.world().token::<30>());
    let polls = call.dropbox.quirks().job_polls;
    call.dropbox.jobs().add(id.clone(), kind, polls, result);
    Ok(Reply::json(&json!({ ".tag": "async_job_id", "async_job_id": id })))
}

fn check(call: &Call<'_>, mut args: Args, kind: Kind) -> Answer {
    let id = args.string("async_job_id")?;
    if id.is_empty() {
        return Err(args.error("async_job_id", "'async_job_id' must be at least 1 characters, got 0"));
    }
    args.done()?;
    match call.dropbox.jobs().check(&id, kind) {
        Found::InProgress => Ok(Reply::json(&tag("in_progress"))),
        Found::Complete(result) => Ok(Reply::json(&result)),
        Found::Unknown => Err(Refusal::tag("invalid_async_job_id")),
    }
}

/// A completed job with a plain struct beside its tag.
fn complete(entries: Vec<Value>) -> Value {
    json!({ ".tag": "complete", "entries": entries })
}

pub(crate) fn create_folders(call: &Call<'_>, mut args: Args) -> Answer {
    let paths = args.strings("paths", 0, MOST_FOLDERS)?;
    let paths = paths
        .iter()
        .map(|path| PathArg::parse(path, PathKind::Create).map_err(|reason| args.error("paths", &reason)))
        .collect::<Result<Vec<_>, _>>()?;
    let autorename = args.flag("autorename")?;
    let force_async = args.flag("force_async")?;
    args.done()?;
    let mut made: Vec<(&PathArg, Value)> = Vec::new();
    let mut entries = Vec::new();
    for path in &paths {
        // The same path twice is one folder, and both entries say so.
        let entry = match made.iter().find(|(known, _)| *known == path) {
            Some((_, entry)) => entry.clone(),
            None => match folders::create_one(call, path, autorename) {
                Ok(metadata) => json!({ ".tag": "success", "metadata": metadata }),
                Err(error) => nest("failure", nest("path", write_error(error))),
            },
        };
        made.push((path, entry.clone()));
        entries.push(entry);
    }
    if force_async || paths.len() >= FOLDERS_OF_A_JOB {
        return launch(call, Kind::CreateFolders, complete(entries));
    }
    Ok(Reply::json(&complete(entries)))
}

pub(crate) fn check_create_folders(call: &Call<'_>, args: Args) -> Answer {
    check(call, args, Kind::CreateFolders)
}

pub(crate) fn delete(call: &Call<'_>, mut args: Args) -> Answer {
    let entries = args.objects("entries", 0, MOST)?;
    args.done()?;
    let targets = entries.into_iter().map(Target::take).collect::<Result<Vec<_>, _>>()?;
    let each = targets.iter().map(|target| match target.carry_out(call) {
        Ok(metadata) => json!({ ".tag": "success", "metadata": metadata }),
        Err(error) => nest("failure", error),
    });
    let result = complete(each.collect());
    launch(call, Kind::Delete, result)
}

pub(crate) fn check_delete(call: &Call<'_>, args: Args) -> Answer {
    check(call, args, Kind::Delete)
}

fn take_ways(args: &mut Args) -> Result<Vec<Way>, Refusal> {
    let entries = args.objects("entries", 1, MOST)?;
    let each = entries.into_iter().map(|mut entry| {
        let way = Way::take(&mut entry)?;
        entry.done()?;
        Ok(way)
    });
    each.collect()
}

fn relocate_v2(call: &Call<'_>, mut args: Args, kind: relocate::Kind, job: Kind) -> Answer {
    let ways = take_ways(&mut args)?;
    let autorename = args.flag("autorename")?;
    args.flag("allow_ownership_transfer")?;
    args.done()?;
    let each = ways.iter().map(|way| match way.carry_out(call, kind, autorename) {
        Ok(metadata) => nest("success", metadata),
        Err(error) => nest("failure", nest("relocation_error", error)),
    });
    let result = complete(each.collect());
    launch(call, job, result)
}

pub(crate) fn move_v2(call: &Call<'_>, args: Args) -> Answer {
    relocate_v2(call, args, relocate::Kind::Move, Kind::MoveV2)
}

pub(crate) fn check_move_v2(call: &Call<'_>, args: Args) -> Answer {
    check(call, args, Kind::MoveV2)
}

pub(crate) fn copy_v2(call: &Call<'_>, args: Args) -> Answer {
    relocate_v2(call, args, relocate::Kind::Copy, Kind::CopyV2)
}

pub(crate) fn check_copy_v2(call: &Call<'_>, args: Args) -> Answer {
    check(call, args, Kind::CopyV2)
}

/// The old batches fail as a whole, with the first error.
fn relocate_v1(call: &Call<'_>, mut args: Args, kind: relocate::Kind, job: Kind) -> Answer {
    let ways = take_ways(&mut args)?;
    let autorename = args.flag("autorename")?;
    args.flag("allow_shared_folder")?;
    args.flag("allow_ownership_transfer")?;
    args.done()?;
    let mut entries = Vec::new();
    for way in &ways {
        match way.carry_out(call, kind, autorename) {
            Ok(metadata) => entries.push(json!({ "metadata": metadata })),
            Err(error) => return launch(call, job, nest("failed", error)),
        }
    }
    launch(call, job, complete(entries))
}

pub(crate) fn move_v1(call: &Call<'_>, args: Args) -> Answer {
    relocate_v1(call, args, relocate::Kind::Move, Kind::Move)
}

pub(crate) fn check_move_v1(call: &Call<'_>, args: Args) -> Answer {
    check(call, args, Kind::Move)
}

pub(crate) fn copy_v1(call: &Call<'_>, args: Args) -> Answer {
    relocate_v1(call, args, relocate::Kind::Copy, Kind::Copy)
}

pub(crate) fn check_copy_v1(call: &Call<'_>, args: Args) -> Answer {
    check(call, args, Kind::Copy)
}

pub(crate) fn finish(call: &Call<'_>, mut args: Args) -> Answer {
    let batch = sessions::take_batch(&mut args)?;
    args.done()?;
    let result = complete(sessions::finish_each(call, batch));
    launch(call, Kind::Finish, result)
}

pub(crate) fn check_finish(call: &Call<'_>, args: Args) -> Answer {
    check(call, args, Kind::Finish)
}
