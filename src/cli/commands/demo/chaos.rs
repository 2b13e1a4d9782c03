//! Bad weather: the service refuses, fails and hangs up, the link is slow, a daemon is killed in the middle of its work. In the end the
//! account and both mounts are compared, byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::corpus::{OFFICE, STUDIO};
use super::device::Device;
use super::sound;
use super::stage::Stage;
use super::steps::{RATE_BYTES, ROUND_TRIP, Saved, save, told};
use super::tale::{Tale, duration};
use crate::cli::error::Result;
use crate::cli::output::{counted, size};
use crate::control::protocol::{DaemonStatus, QueueList};

/// What goes wrong, and how often.
const FAULTS: &str = "429(1)=0.06,429-writes(1)=0.03,500=0.04,503(1)=0.03,drop-before=0.03,drop-after=0.04,reset-after=0.03,\
                      delay(400)=0.05,files/download:truncate=0.05";
/// How much worse the link is.
const WORSE: u32 = 3;
/// Files that each device saves.
const SAVES: usize = 12;
/// How long the daemon may be away, and how long everything may take to arrive in such weather.
const LONGEST_ABSENCE: Duration = Duration::from_secs(30);
const LONGEST_WEATHER: &str = "180";
const LONGEST_COMPARISON: Duration = Duration::from_secs(120);

/// All of it.
pub(super) fn play(stage: &Stage, tale: &mut Tale, seed: u64) -> Result {
    tale.step(stage, "Chaos: refusals, errors, broken connections, a slow link, and kill -9")?;
    stage.account.set_link(ROUND_TRIP * WORSE, RATE_BYTES / u64::from(WORSE))?;
    stage.account.set_faults(FAULTS)?;
    tale.say(&format!(
        "by chance (seed {seed}): 429, 500, 503; connections that break before or after a call has its effect;"
    ))?;
    let (round_trip, rate) = (duration(ROUND_TRIP * WORSE), size(RATE_BYTES / u64::from(WORSE)));
    tale.say(&format!("late answers; downloads that are cut short. The link: {round_trip} and {rate}/s"))?;
    let mut saved = save_on_both(stage, 0..SAVES / 2)?;
    tale.say(&format!("both devices save {}", counted(count(&saved), "file", "files")))?;
    kill_the_daemon(stage, tale)?;
    let more = save_on_both(stage, SAVES / 2..SAVES)?;
    tale.say(&format!("both go on, and save {} more", counted(count(&more), "file", "files")))?;
    saved.extend(more);
    let here = saved.iter().all(|file| file.is_on(&stage.studio) || file.is_on(&stage.laptop));
    tale.check(here, "every save that was acknowledged is still on its device")?;
    let started = Instant::now();
    for device in stage.devices() {
        for vault in [STUDIO, OFFICE] {
            tale.run(stage, device, &["wait", "--timeout", LONGEST_WEATHER, &format!("mnt/{vault}")])?;
        }
    }
    let took = duration(started.elapsed());
    let met = stage.account.clear_faults()?;
    stage.account.set_link(Duration::ZERO, 0)?;
    tale.say(&format!("all sent after {took}; {} met a fault", counted(met as u64, "request", "requests")))?;
    compare(stage, tale, &saved)
}

/// Documents and takes, each acknowledged as on disk.
fn save_on_both(stage: &Stage, numbers: std::ops::Range<usize>) -> Result<Vec<Saved>> {
    let mut saved = Vec::new();
    for number in numbers {
        for device in stage.devices() {
            let name = device.name();
            let file = if number % 4 == 3 {
                let bytes = sound::wav(sound::bytes_of_ms(2_000), 220, number as u64);
                Saved { path: format!("{STUDIO}/Takes of the {name}/{number}.wav"), bytes }
            } else {
                let text = format!("Note {number} from the {name}.\n").repeat(number + 1);
                Saved { path: format!("{OFFICE}/Notes of the {name}/{number}.txt"), bytes: text.into() }
            };
            let path = device.mnt().join(&file.path);
            told("cannot make a folder", path.parent().map_or(Ok(()), fs::create_dir_all))?;
            told("cannot save", save(&path, &file.bytes))?;
            saved.push(file);
        }
    }
    Ok(saved)
}

fn kill_the_daemon(stage: &Stage, tale: &mut Tale) -> Result {
    let studio = &stage.studio;
    // In the middle of it: something is past its quiet time.
    stage.eventually(LONGEST_ABSENCE, || {
        let queue: Result<QueueList> = stage.ask(studio, &["queue"]);
        queue.is_ok_and(|queue| queue.items.iter().any(|item| item.action == "upload"))
    })?;
    let status: DaemonStatus = stage.ask(studio, &["daemon", "status"])?;
    let pid = status.pid.to_string();
    tale.say(&format!("$ kill -9 {pid}"))?;
    let killed = Command::new("kill").args(["-9", &pid]).status();
    let killed = told("cannot kill the daemon", killed)?.success();
    let started = Instant::now();
    let back = stage.eventually(LONGEST_ABSENCE, || {
        let now: Result<DaemonStatus> = stage.ask(studio, &["daemon", "status"]);
        now.is_ok_and(|now| now.pid != status.pid)
            && [STUDIO, OFFICE]
                .iter()
                .all(|vault| fs::read_dir(studio.mnt().join(vault)).is_ok_and(|all| all.count() > 0))
    })?;
    let after = duration(started.elapsed());
    tale.check(
        killed && back.is_some(),
        &format!("the studio's daemon was killed while it sent; mounted again after {after}"),
    )
}

/// Every file by its path, with its bytes.
type Tree = BTreeMap<String, Vec<u8>>;

fn compare(stage: &Stage, tale: &mut Tale, saved: &[Saved]) -> Result {
    let mut account = Tree::new();
    for vault in [STUDIO, OFFICE] {
        let copy = stage.root().join("account").join(vault);
        stage.account.export(&format!("/{vault}"), &copy)?;
        told("cannot read what the account has", read(&copy, vault, &mut account))?;
    }
    let mut differ = Vec::new();
    for device in stage.devices() {
        let mut shown = Tree::new();
        // What the other device sent is on its way.
        let equal = stage.eventually(LONGEST_COMPARISON, || {
            shown.clear();
            let read = [STUDIO, OFFICE].iter().try_for_each(|vault| read(&device.mnt().join(vault), vault, &mut shown));
            read.is_ok() && shown == account
        })?;
        if equal.is_none() {
            differ.push(difference(device, &shown, &account));
        }
    }
    let (files, bytes) = (count(&account.values().collect::<Vec<_>>()), account.values().map(Vec::len).sum::<usize>());
    let equal = format!("{files} files, {}: the account and both mounts are equal, byte for byte", size(bytes as u64));
    tale.check(differ.is_empty(), &equal)?;
    differ.iter().try_for_each(|line| tale.say(line))?;
    let kept = saved.iter().filter(|file| account.get(&file.path) == Some(&file.bytes)).count();
    tale.check(kept == saved.len(), &format!("{kept} of {} saves are in the account: nothing was lost", saved.len()))
}

/// Reads everything below a folder.
fn read(folder: &Path, shown: &str, into: &mut Tree) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let shown = format!("{shown}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &shown, into)?;
        } else {
            into.insert(shown, fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// The first files in which a device is different from the account.
fn difference(device: &Device, shown: &Tree, account: &Tree) -> String {
    let names = shown.keys().chain(account.keys());
    let names: std::collections::BTreeSet<_> = names.filter(|name| shown.get(*name) != account.get(*name)).collect();
    let first: Vec<_> = names.into_iter().take(5).map(String::as_str).collect();
    format!("different on the {}: {}", device.name(), first.join(", "))
}

fn count<T>(all: &[T]) -> u64 {
    u64::try_from(all.len()).unwrap_or(u64::MAX)
}
