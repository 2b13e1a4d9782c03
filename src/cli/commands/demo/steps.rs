//! The steps of the demonstration, in order. Figures are measured in this run; times are told, never judged.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::corpus::{Corpus, LARGE_TAKE, LIVE_MIX, NEW_TAKE, OFFICE, STUDIO, new_track, read_json};
use super::sound;
use super::stage::Stage;
use super::tale::{Tale, duration};
use crate::cli::error::{CliError, Result};
use crate::cli::output::{counted, size};
use crate::control::protocol::{FileStatus, QueueList, StatusReport};
use crate::types::{Clock, SystemClock};
use crate::vaults::layout::music::{AUDIO_FOLDER, MIX_MANIFEST};

/// The link: a cloud far away behind a slow line.
const LATENCY_MS: &str = "40";
const RATE: &str = "8MiB";
const RATE_BYTES: u64 = 8 << 20;

/// What a player asks for first.
const FIRST_BYTES: usize = 64 * 1024;
/// Length of the take that is recorded offline.
const NEW_TAKE_MS: u32 = 2_000;

/// Files are sent when nobody has written them for a while; longer than that is not waited for.
const LONGEST_QUIET: Duration = Duration::from_secs(8);

/// All steps.
pub(super) fn play(stage: &Stage, tale: &mut Tale) -> Result {
    let corpus = fill_the_provider(stage, tale)?;
    show_names(stage, tale, corpus)?;
    play_a_take(stage, tale)?;
    show_what_is_here(stage, tale)?;
    let saved = save_offline(stage, tale)?;
    send(stage, tale, &saved)?;
    unmount(stage, tale)?;
    tale.end()
}

fn fill_the_provider(stage: &Stage, tale: &mut Tale) -> Result<Corpus> {
    tale.step(stage, "A studio and a law office, generated as their provider has them")?;
    tale.say(&format!("$ cd {}", stage.root().display()))?;
    let started = Instant::now();
    let corpus = told("cannot generate files", Corpus::generate(&stage.provider(), SystemClock.now()))?;
    let Corpus { files, folders, bytes } = corpus;
    let (files, folders) = (counted(files, "file", "files"), counted(folders, "folder", "folders"));
    tale.say(&format!("{files} in {folders}, {} (made in {})", size(bytes), duration(started.elapsed())))?;
    tale.say(&format!("{STUDIO}: collections > projects > mixes, WAV takes; {OFFICE}: cases, PDF and DOCX"))?;
    Ok(corpus)
}

fn show_names(stage: &Stage, tale: &mut Tale, corpus: Corpus) -> Result {
    tale.step(stage, "Mounted behind a link of 40 ms and 8 MiB/s: every name and size at once")?;
    for (name, layout) in [(STUDIO, "music"), (OFFICE, "cases")] {
        let path = format!("provider/{name}");
        let link = ["--link-latency", LATENCY_MS, "--link-rate", RATE];
        let add = ["vault", "add", name, "--provider", "local", "--path", &path, "--layout", layout];
        tale.run(stage, &[&add[..], &link].concat())?;
    }
    let took = tale.run(stage, &["mount", "--all", "mnt"])?;
    let started = Instant::now();
    let [studio, office] = [STUDIO, OFFICE].map(|vault| Corpus::walk(&stage.mnt().join(vault)));
    let shown = told("cannot list the mount", studio)?.plus(told("cannot list the mount", office)?);
    let listed = duration(started.elapsed());
    tale.say(&format!("mounted in {}, all folders listed in {listed}", duration(took)))?;
    let Corpus { files, bytes, .. } = shown;
    tale.check(shown == corpus, &format!("{files} files and {} are there to see, as at the provider", size(bytes)))?;
    let cached = cached_bytes(stage)?;
    tale.check(cached == 0, &format!("{} of their content was fetched", size(cached)))
}

fn play_a_take(stage: &Stage, tale: &mut Tale) -> Result {
    tale.step(stage, "A large take plays before it is here")?;
    let take = take(stage);
    let opened = Instant::now();
    let file = told("cannot open the take", File::open(&take.mounted))?;
    let length = told("cannot ask for its size", file.metadata())?.len();
    let first = told("cannot read the take", piece(&file, 0))?;
    let (first_after, whole) = (duration(opened.elapsed()), Duration::from_secs(length / RATE_BYTES));
    let sounds = sound::duration_ms(&first).unwrap_or(0);
    tale.say(&format!("{LARGE_TAKE}: WAV, 48 kHz stereo, {}, {}", minutes(sounds), size(length)))?;
    tale.say(&format!("first 64 KiB after {first_after}; the whole takes {} at this rate", duration(whole)))?;
    let late = length / 4 * 3;
    let jumped = Instant::now();
    let later = told("cannot read the take", piece(&file, late))?;
    tale.say(&format!("a jump to {}: 64 KiB after {}", minutes(sounds / 4 * 3), duration(jumped.elapsed())))?;
    let original = told("cannot open the provider's file", File::open(&take.original))?;
    let equal = [(0, first), (late, later)]
        .into_iter()
        .try_fold(true, |equal, (at, bytes)| piece(&original, at).map(|expected| equal && expected == bytes));
    tale.check(told("cannot read the provider's file", equal)?, "the bytes are the provider's")?;
    let here = status(stage, &take.shown)?.hydrated_bytes;
    tale.check(here < length / 2, &format!("{} of {} came over the link", size(here), size(length)))
}

fn show_what_is_here(stage: &Stage, tale: &mut Tale) -> Result {
    tale.step(stage, "What is on this machine, and what is only at the provider")?;
    // Opening the mix reads its manifest, as the recorder does.
    told("cannot read the mix", read_json(&mix(stage).mounted))?;
    let shown = take(stage).shown;
    tale.run(stage, &["status", &shown])?;
    tale.run(stage, &["status", "--vault", OFFICE])?;
    let (mix, office) = (status(stage, &mix(stage).shown)?, status(stage, &format!("mnt/{OFFICE}"))?);
    let here = mix.hydrated_bytes == mix.size && office.hydrated_bytes == 0;
    tale.check(here, "the mix that was opened is here; no document of the law office is")
}

/// The queue when the files have been left alone for long enough to be sent; shown as it is if that takes too long.
fn settled_queue(stage: &Stage) -> Result<QueueList> {
    let asked = Instant::now();
    loop {
        let queue: QueueList = stage.ask(&["queue"])?;
        let written = queue.items.iter().any(|item| item.action == "wait");
        if !written || asked.elapsed() > LONGEST_QUIET {
            return Ok(queue);
        }
        stage.pause(Duration::from_millis(200));
    }
}

/// A file that was saved: where it is at the provider, and its bytes.
struct Saved {
    original: PathBuf,
    bytes: Vec<u8>,
}

fn save_offline(stage: &Stage, tale: &mut Tale) -> Result<Vec<Saved>> {
    tale.step(stage, "Offline: a save takes as long as this disk takes, and is queued")?;
    tale.run(stage, &["offline"])?;
    let (mix, take) = (mix(stage), new_take(stage));
    let sound = sound::wav(sound::bytes_of_ms(NEW_TAKE_MS), 262, 4);
    let started = Instant::now();
    told("cannot record a take", save(&take.mounted, &sound))?;
    let recorded = duration(started.elapsed());
    let mut manifest = told("cannot read the mix", read_json(&mix.mounted))?;
    manifest["tracks"][0]["volume"] = 0.65.into();
    manifest["modified_at"] = SystemClock.now().to_rfc3339().into();
    if let Some(tracks) = manifest["tracks"].as_array_mut() {
        tracks.push(new_track(tracks.len(), "Second Guitar", "#76b041", NEW_TAKE, NEW_TAKE_MS));
    }
    let text = format!("{manifest:#}").into_bytes();
    let started = Instant::now();
    told("cannot save the mix", save(&mix.mounted, &text))?;
    tale.say(&format!("mix.json saved and on disk in {}", duration(started.elapsed())))?;
    tale.say(&format!("a new take, {}, recorded and on disk in {recorded}", size(length(&sound))))?;
    let (shown, before) = (fs::read(&mix.mounted), fs::read(&mix.original));
    let shown = told("cannot read the mix", shown)? == text;
    let before = told("cannot read the provider's file", before)? != text;
    tale.check(shown && before, "the mount has the new mix, the provider still the old one")?;
    let queue = settled_queue(stage)?;
    tale.run(stage, &["queue"])?;
    let waits = |path: &Path| queue.items.iter().any(|item| path.ends_with(&item.path));
    tale.check(waits(&mix.original) && waits(&take.original), "both wait in the queue")?;
    Ok(vec![Saved { original: mix.original, bytes: text }, Saved { original: take.original, bytes: sound }])
}

fn send(stage: &Stage, tale: &mut Tale, saved: &[Saved]) -> Result {
    tale.step(stage, "Online again: the queue flushes itself")?;
    tale.run(stage, &["online"])?;
    let took = tale.run(stage, &["wait", &format!("mnt/{STUDIO}")])?;
    tale.say(&format!("after {}", duration(took)))?;
    let arrived = saved.iter().all(|file| fs::read(&file.original).is_ok_and(|bytes| bytes == file.bytes));
    tale.check(arrived, "the provider has both files, byte for byte")?;
    tale.run(stage, &["queue"])?;
    let queue: QueueList = stage.ask(&["queue"])?;
    tale.check(queue.total == 0, "the queue is empty")
}

fn unmount(stage: &Stage, tale: &mut Tale) -> Result {
    tale.step(stage, "Unmounted")?;
    tale.run(stage, &["unmount", "mnt", "--wait"])?;
    let left = told("cannot list the mountpoint", Corpus::walk(&stage.mnt()))?;
    tale.check(left.files == 0, "nothing is left at the mountpoint; the files are at the provider")
}

/// A file in its three names.
struct Place {
    /// In the mount.
    mounted: PathBuf,
    /// At the provider.
    original: PathBuf,
    /// In the mount, as commands are given it.
    shown: String,
}

fn place(stage: &Stage, below_mix: &str) -> Place {
    let path = format!("{STUDIO}/{LIVE_MIX}/{below_mix}");
    Place { mounted: stage.mnt().join(&path), original: stage.provider().join(&path), shown: format!("mnt/{path}") }
}

fn mix(stage: &Stage) -> Place {
    place(stage, MIX_MANIFEST)
}

fn take(stage: &Stage) -> Place {
    place(stage, &format!("{AUDIO_FOLDER}/{LARGE_TAKE}"))
}

fn new_take(stage: &Stage) -> Place {
    place(stage, &format!("{AUDIO_FOLDER}/{NEW_TAKE}"))
}

fn status(stage: &Stage, shown: &str) -> Result<FileStatus> {
    stage.ask(&["status", shown])
}

fn cached_bytes(stage: &Stage) -> Result<u64> {
    let report: StatusReport = stage.ask(&["status"])?;
    Ok(report.vaults.iter().map(|vault| vault.cached_bytes).sum())
}

fn piece(file: &File, at: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; FIRST_BYTES];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

/// As the recorder saves: in place. Returns when it is on disk.
fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn told<T>(what: &str, result: io::Result<T>) -> Result<T> {
    result.map_err(|error| CliError::io(what, &error))
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// `5:49`.
fn minutes(ms: u32) -> String {
    format!("{}:{:02} min", ms / 60_000, ms / 1000 % 60)
}
