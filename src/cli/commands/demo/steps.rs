//! The steps of the demonstration, in order. Figures are measured in this run; times are told, never judged.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::account::{APP_KEY, Account};
use super::chaos;
use super::corpus::{Corpus, LARGE_TAKE, LIVE_MIX, NEW_TAKE, OFFICE, STUDIO, new_track, read_json};
use super::device::Device;
use super::sound;
use super::stage::Stage;
use super::tale::{Tale, duration};
use crate::cli::error::{CliError, Result};
use crate::cli::output::{counted, size};
use crate::control::protocol::{FileStatus, QueueList, StatusReport};
use crate::types::{Clock, SystemClock};
use crate::vaults::layout::music::{AUDIO_FOLDER, MIX_MANIFEST};

/// The link: a cloud far away behind a slow line.
pub(super) const ROUND_TRIP: Duration = Duration::from_millis(40);
pub(super) const RATE_BYTES: u64 = 8 << 20;

/// What a player asks for first.
const FIRST_BYTES: usize = 64 * 1024;
/// Length of the take that is recorded offline.
const NEW_TAKE_MS: u32 = 2_000;

/// Files are sent when nobody has written them for a while; longer than that is not waited for.
const LONGEST_QUIET: Duration = Duration::from_secs(8);
/// Nor is anything else.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Manifests come soon, everything else when it is read: this much is manifests.
const MOST_MANIFESTS: u64 = 256 << 10;

/// All steps. `seed`: bad weather is part of it.
pub(super) fn play(stage: &Stage, tale: &mut Tale, seed: Option<u64>) -> Result {
    let corpus = fill_the_account(stage, tale)?;
    show_names(stage, tale, corpus)?;
    play_a_take(stage, tale)?;
    show_what_is_here(stage, tale)?;
    let saved = save_offline(stage, tale)?;
    send(stage, tale, &saved)?;
    show_the_other_device(stage, tale, &saved)?;
    if let Some(seed) = seed {
        chaos::play(stage, tale, seed)?;
    }
    unmount(stage, tale)?;
    tale.end()
}

fn fill_the_account(stage: &Stage, tale: &mut Tale) -> Result<Corpus> {
    tale.step(stage, "A studio and a law office, generated in a simulated Dropbox account")?;
    tale.say(&format!("$ cd {}", stage.root().display()))?;
    let started = Instant::now();
    let corpus = told("cannot generate files", Corpus::generate(&stage.originals(), SystemClock.now()))?;
    for vault in [STUDIO, OFFICE] {
        stage.account.import(&stage.originals().join(vault), &format!("/{vault}"))?;
    }
    let Corpus { files, folders, bytes } = corpus;
    let (files, folders) = (counted(files, "file", "files"), counted(folders, "folder", "folders"));
    tale.say(&format!("{files} in {folders}, {} (made in {})", size(bytes), duration(started.elapsed())))?;
    tale.say(&format!("{STUDIO}: collections > projects > mixes, WAV takes; {OFFICE}: cases, PDF and DOCX"))?;
    tale.say(&format!("the service answers at {}, behind a link of 40 ms and 8 MiB/s", stage.account.url()))?;
    stage.account.set_link(ROUND_TRIP, RATE_BYTES)?;
    Ok(corpus)
}

fn show_names(stage: &Stage, tale: &mut Tale, corpus: Corpus) -> Result {
    tale.step(stage, "Two devices sign in and mount: every name and size, and no content")?;
    let url = stage.account.url();
    let connect = ["connect", "dropbox", "--base-url", &url, "--app-key", APP_KEY, "--no-browser"];
    let vaults = [(STUDIO, "/Studio", "music"), (OFFICE, "/Office", "cases")];
    let add = vaults.map(|(name, folder, layout)| {
        ["vault", "add", name, "--provider", "dropbox", "--folder", folder, "--layout", layout]
    });
    let mount = ["mount", "--all", "mnt"];
    for device in stage.devices() {
        let is_first = device.name() == stage.studio.name();
        let started = if is_first {
            tale.act(device, &connect, || stage.connect(device))?;
            add.iter().try_for_each(|add| tale.run(stage, device, add).map(drop))?;
            let started = Instant::now();
            tale.run(stage, device, &mount)?;
            started
        } else {
            stage.connect(device)?;
            add.iter().try_for_each(|add| stage.run(device, add).map(drop))?;
            let started = Instant::now();
            stage.run(device, &mount)?;
            started
        };
        let mut shown = Corpus::default();
        stage.eventually(LONGEST_WAIT, || {
            let vaults = [STUDIO, OFFICE].map(|vault| Corpus::walk(&device.mnt().join(vault)));
            shown = vaults.into_iter().flatten().fold(Corpus::default(), Corpus::plus);
            shown == corpus
        })?;
        let (name, took) = (device.name(), duration(started.elapsed()));
        tale.say(&format!("the {name} has mounted them and shows all names after {took}"))?;
        let Corpus { files, bytes, .. } = shown;
        tale.check(shown == corpus, &format!("{files} files and {} are there to see, as in the account", size(bytes)))?;
    }
    let cached = cached_bytes(stage, &stage.studio)?;
    tale.check(cached < MOST_MANIFESTS, &format!("{} of their content came over the link", size(cached)))
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
    let original = told("cannot open the generated file", File::open(&take.original))?;
    let equal = [(0, first), (late, later)]
        .into_iter()
        .try_fold(true, |equal, (at, bytes)| piece(&original, at).map(|expected| equal && expected == bytes));
    tale.check(told("cannot read the generated file", equal)?, "the bytes are those of the account")?;
    let here = status(stage, &stage.studio, &take.shown)?.hydrated_bytes;
    tale.check(here < length / 2, &format!("{} of {} came over the link", size(here), size(length)))
}

fn show_what_is_here(stage: &Stage, tale: &mut Tale) -> Result {
    tale.step(stage, "What is on this machine, and what is only in the account")?;
    // Opening the mix reads its manifest, as the recorder does.
    told("cannot read the mix", read_json(&mix(stage).mounted))?;
    let shown = take(stage).shown;
    tale.run(stage, &stage.studio, &["status", &shown])?;
    tale.run(stage, &stage.studio, &["status", "--vault", OFFICE])?;
    let (mix, office) =
        (status(stage, &stage.studio, &mix(stage).shown)?, status(stage, &stage.studio, &format!("mnt/{OFFICE}"))?);
    let here = mix.hydrated_bytes == mix.size && office.hydrated_bytes == 0;
    tale.check(here, "the mix that was opened is here; no document of the law office is")
}

/// The queue when the files have been left alone for long enough to be sent; shown as it is if that takes too long.
fn settled_queue(stage: &Stage) -> Result<QueueList> {
    let asked = Instant::now();
    loop {
        let queue: QueueList = stage.ask(&stage.studio, &["queue"])?;
        let written = queue.items.iter().any(|item| item.action == "wait");
        if !written || asked.elapsed() > LONGEST_QUIET {
            return Ok(queue);
        }
        stage.pause(Duration::from_millis(200));
    }
}

/// A file that was saved: where it is in every vault and in the account, and its bytes.
pub(super) struct Saved {
    /// Below the folder of all vaults, and below the account.
    pub(super) path: String,
    /// What was acknowledged.
    pub(super) bytes: Vec<u8>,
}

impl Saved {
    /// True if the account has it.
    pub(super) fn is_in(&self, account: &Account) -> bool {
        account.file(&format!("/{}", self.path)).is_some_and(|bytes| bytes == self.bytes)
    }

    /// True if a device shows it.
    pub(super) fn is_on(&self, device: &Device) -> bool {
        fs::read(device.mnt().join(&self.path)).is_ok_and(|bytes| bytes == self.bytes)
    }
}

fn save_offline(stage: &Stage, tale: &mut Tale) -> Result<Vec<Saved>> {
    tale.step(stage, "Offline: a save takes as long as this disk takes, and is queued")?;
    tale.run(stage, &stage.studio, &["offline"])?;
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
    let saved = [Saved { path: mix.path, bytes: text }, Saved { path: take.path, bytes: sound }];
    let [new_mix, new_take] = &saved;
    let only_here = new_mix.is_on(&stage.studio) && !new_mix.is_in(&stage.account);
    tale.check(only_here, "the mount has the new mix, the account still the old one")?;
    let queue = settled_queue(stage)?;
    tale.run(stage, &stage.studio, &["queue"])?;
    let waits = |saved: &Saved| queue.items.iter().any(|item| Path::new(&saved.path).ends_with(&item.path));
    tale.check(waits(new_mix) && waits(new_take), "both wait in the queue")?;
    Ok(saved.into())
}

fn send(stage: &Stage, tale: &mut Tale, saved: &[Saved]) -> Result {
    tale.step(stage, "Online again: the queue flushes itself")?;
    tale.run(stage, &stage.studio, &["online"])?;
    let took = tale.run(stage, &stage.studio, &["wait", &format!("mnt/{STUDIO}")])?;
    tale.say(&format!("after {}", duration(took)))?;
    let arrived = saved.iter().all(|file| file.is_in(&stage.account));
    tale.check(arrived, "the account has both files, byte for byte")?;
    tale.run(stage, &stage.studio, &["queue"])?;
    let queue: QueueList = stage.ask(&stage.studio, &["queue"])?;
    tale.check(queue.total == 0, "the queue is empty")
}

fn show_the_other_device(stage: &Stage, tale: &mut Tale, saved: &[Saved]) -> Result {
    tale.step(stage, "The other device has it, and answers")?;
    let laptop = &stage.laptop;
    let arrived = stage.eventually(LONGEST_WAIT, || saved.iter().all(|file| file.is_on(laptop)))?;
    let after = arrived.map_or_else(|| "not at all".to_owned(), |after| format!("{} later", duration(after)));
    tale.check(arrived.is_some(), &format!("the laptop shows the new mix and the new take, {after}"))?;
    let path = format!("{STUDIO}/{LIVE_MIX}/{MIX_MANIFEST}");
    let mut manifest = told("cannot read the mix", read_json(&laptop.mnt().join(&path)))?;
    manifest["tracks"][1]["muted"] = true.into();
    manifest["modified_at"] = SystemClock.now().to_rfc3339().into();
    let edited = Saved { path, bytes: format!("{manifest:#}").into_bytes() };
    told("cannot save the mix", save(&laptop.mnt().join(&edited.path), &edited.bytes))?;
    tale.say("the laptop mutes a track and saves")?;
    let arrived = stage.eventually(LONGEST_WAIT, || edited.is_on(&stage.studio))?;
    let after = arrived.map_or_else(|| "not at all".to_owned(), |after| format!("after {}", duration(after)));
    tale.check(arrived.is_some(), &format!("the studio shows that, {after}: quiet time, upload and long poll"))
}

fn unmount(stage: &Stage, tale: &mut Tale) -> Result {
    tale.step(stage, "Unmounted")?;
    let mut left = Corpus::default();
    for device in stage.devices() {
        tale.run(stage, device, &["unmount", "mnt", "--wait"])?;
        left = left.plus(told("cannot list the mountpoint", Corpus::walk(&device.mnt()))?);
    }
    tale.check(left.files == 0, "nothing is left at the mountpoints; the files are in the account")
}

/// A file of the studio in its names.
struct Place {
    /// Below the folder of all vaults, and below the account.
    path: String,
    /// In the mount.
    mounted: PathBuf,
    /// As it was generated.
    original: PathBuf,
    /// In the mount, as commands are given it.
    shown: String,
}

fn place(stage: &Stage, below_mix: &str) -> Place {
    let path = format!("{STUDIO}/{LIVE_MIX}/{below_mix}");
    let (mounted, original) = (stage.studio.mnt().join(&path), stage.originals().join(&path));
    Place { mounted, original, shown: format!("mnt/{path}"), path }
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

fn status(stage: &Stage, device: &Device, shown: &str) -> Result<FileStatus> {
    stage.ask(device, &["status", shown])
}

fn cached_bytes(stage: &Stage, device: &Device) -> Result<u64> {
    let report: StatusReport = stage.ask(device, &["status"])?;
    Ok(report.vaults.iter().map(|vault| vault.cached_bytes).sum())
}

fn piece(file: &File, at: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; FIRST_BYTES];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

/// As the recorder saves: in place. Returns when it is on disk.
pub(super) fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

pub(super) fn told<T>(what: &str, result: io::Result<T>) -> Result<T> {
    result.map_err(|error| CliError::io(what, &error))
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// `5:49`.
fn minutes(ms: u32) -> String {
    format!("{}:{:02} min", ms / 60_000, ms / 1000 % 60)
}
