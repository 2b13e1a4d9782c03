//! One run: devices and a web user work on one cloud while things go wrong; then everything heals, and the oracle looks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use vaultfs::catalog::{LocalContent, LocalRow};
use vaultfs::content::ReadOutcome;
use vaultfs::types::{EntryName, NodeId, NodeKind, RemoteId, StagedId};

use crate::clock::SimClock;
use crate::cloud::{Cloud, Manner, name, root_id};
use crate::device::Device;
use crate::provider::{Faults, SimProvider};
use crate::struck::Struck;

/// What a seed decides.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) manner: Manner,
    pub(crate) devices: usize,
    pub(crate) steps: usize,
    pub(crate) faults: Faults,
    /// One change at a time, each everywhere before the next: nothing is concurrent.
    pub(crate) serial: bool,
    /// One device and nobody else: what it shows never changes by itself.
    pub(crate) alone: bool,
    pub(crate) crashes: bool,
    /// Some crashes are power cuts: what the catalog has not made durable is forgotten.
    pub(crate) cuts_power: bool,
    pub(crate) skewed: bool,
    pub(crate) loses_catalog: bool,
    /// Users leave things out, and take them in again.
    pub(crate) filters: bool,
}

impl Scenario {
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed ^ 0x5eed);
        let manner = if random.random_bool(0.6) { Manner::Dropbox } else { Manner::Icloud };
        // All rates are zero in some seeds; one is very high in others.
        let mut rates = [0.0; 6];
        if random.random_bool(0.85) {
            for rate in &mut rates {
                *rate = random.random_range(0.0..0.12);
            }
            if random.random_bool(0.25) {
                rates[random.random_range(0..rates.len())] = 0.5;
            }
        }
        let [busy, lost_reply, offline, lag, repeat, reset] = rates;
        let delay_ms = if random.random_bool(0.3) { 0 } else { random.random_range(1..4_000) };
        let faults = Faults { busy, lost_reply, offline, lag, repeat, reset: reset / 3.0, delay_ms, coalesce: 0.0 };
        let alone = random.random_bool(0.2);
        let mut scenario = Self {
            seed,
            manner,
            devices: if alone { 1 } else { random.random_range(2..=4) },
            steps: random.random_range(20..70),
            faults,
            serial: random.random_bool(0.2),
            alone,
            crashes: random.random_bool(0.5),
            skewed: random.random_bool(0.3),
            loses_catalog: random.random_bool(0.1) && !alone,
            filters: false,
            cuts_power: random.random_bool(0.5),
        };
        if random.random_bool(0.5) {
            scenario.faults.coalesce = random.random_range(0.0..1.0);
        }
        scenario
    }
}

impl Scenario {
    /// The same with filters, by several users.
    pub(crate) fn with_filters(self) -> Self {
        Self { filters: true, alone: false, devices: self.devices.max(2), ..self }
    }
}

/// Paths with their bytes.
type Shown = BTreeMap<String, Option<Vec<u8>>>;

/// Everything in a run.
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) cloud: Arc<Mutex<Cloud>>,
    pub(crate) devices: Vec<Device>,
    pub(crate) random: StdRng,
    /// Contents written by somebody.
    pub(crate) written: BTreeSet<Vec<u8>>,
    /// Contents that somebody who had them replaced or deleted.
    pub(crate) given_up: BTreeSet<Vec<u8>>,
    /// Whole contents of files that were edited without having the rest of them.
    overlays: BTreeMap<StagedId, Vec<u8>>,
    /// What a device that is alone showed after its user's last change.
    left: Option<Shown>,
    pub(crate) struck: Struck,
    /// What happened, for a failure.
    pub(crate) journal: Vec<String>,
    counter: u64,
}

const NAMES: [&str; 14] = [
    "a",
    "b",
    "A",
    "mix.json",
    "Mix.json",
    "take.wav",
    "Caf\u{e9}",
    "Cafe\u{301}",
    "stra\u{df}e",
    "STRASSE",
    "notes",
    "x y",
    "collection.json",
    "z",
];

impl World {
    pub(crate) fn new(scenario: Scenario) -> Self {
        let mut random = StdRng::seed_from_u64(scenario.seed);
        let cloud = Arc::new(Mutex::new(Cloud::new(scenario.manner, random.random())));
        let quiet = Duration::from_millis(*[0, 0, 2_000].get(random.random_range(0..3)).unwrap());
        let struck = Struck::default();
        let devices = (0..scenario.devices)
            .map(|index| {
                let skews = [0, 90, -90, 86_400, -86_400, 315_360_000, -315_360_000];
                let skew = if scenario.skewed { skews[random.random_range(0..skews.len())] } else { 0 };
                if skew != 0 {
                    struck.count("clock skew", "device");
                }
                let provider = SimProvider::new(Arc::clone(&cloud), random.random());
                Device::new(
                    &format!("device{index}"),
                    provider,
                    SimClock::new(skew),
                    quiet,
                    random.random::<u32>().into(),
                )
            })
            .collect();
        let mut world = Self {
            scenario,
            cloud,
            devices,
            random,
            written: BTreeSet::new(),
            given_up: BTreeSet::new(),
            overlays: BTreeMap::new(),
            left: None,
            struck,
            journal: Vec::new(),
            counter: 0,
        };
        world.set_faults(world.scenario.faults);
        world
    }

    pub(crate) fn cloud(&self) -> MutexGuard<'_, Cloud> {
        self.cloud.lock().unwrap()
    }

    fn set_faults(&mut self, faults: Faults) {
        for device in &self.devices {
            device.provider.set_faults(faults);
        }
    }

    fn note(&mut self, line: String) {
        self.journal.push(line);
    }

    fn chance(&mut self, rate: f64) -> bool {
        self.random.random_bool(rate)
    }

    fn any_name(&mut self) -> EntryName {
        name(NAMES[self.random.random_range(0..NAMES.len())])
    }

    /// Bytes that nobody has written before.
    fn fresh_bytes(&mut self, who: &str) -> Vec<u8> {
        self.counter += 1;
        let mut bytes = format!("{}/{who}/{};", self.scenario.seed, self.counter).into_bytes();
        let sizes = [0, 0, 0, 200, 65_536, 65_537, 90_000];
        let size = sizes[self.random.random_range(0..sizes.len())].max(bytes.len());
        let filler = u8::try_from(self.counter % 251).unwrap();
        bytes.resize(size, filler);
        self.written.insert(bytes.clone());
        bytes
    }

    /// What a large file of a device holds: bytes that the cloud can copy.
    fn any_large(&mut self, who: usize) -> Option<Vec<u8>> {
        let (_, row) = self.any_row(who, Some(NodeKind::File))?;
        self.shown(who, &row).filter(|bytes| bytes.len() >= 65_536)
    }

    fn give_up(&mut self, bytes: Option<Vec<u8>>) {
        if let Some(bytes) = bytes {
            self.given_up.insert(bytes);
        }
    }

    /// What a device shows as the content of a row, as far as anybody can know.
    fn shown(&self, device: usize, row: &LocalRow) -> Option<Vec<u8>> {
        match &row.content {
            LocalContent::Clean(version) => self.cloud().revisions.get(&version.revision).cloned(),
            LocalContent::Staged { staged, .. } => {
                let file = self.devices[device].run().content.staged(*staged).ok()?;
                let mut bytes = vec![0; usize::try_from(file.size()).ok()?];
                match file.read(0, &mut bytes).ok()? {
                    ReadOutcome::Complete => Some(bytes),
                    ReadOutcome::Missing(_) => self.overlays.get(staged).cloned(),
                }
            }
            LocalContent::None | LocalContent::Symlink(_) => None,
        }
    }

    /// P8 of a device that is alone: it shows what its user has left.
    pub(crate) fn nothing_changed_by_itself(&self) {
        if let Some(left) = &self.left {
            let shown = self.everything_shown();
            let kinds = |shown: &Shown| shown.keys().cloned().collect::<Vec<_>>();
            assert_eq!(kinds(&shown), kinds(left), "P8: names have changed by themselves");
            assert!(shown == *left, "P8: bytes have changed by themselves");
        }
    }

    fn everything_shown(&self) -> Shown {
        self.devices[0].rows().into_iter().map(|(path, row)| (path, self.shown(0, &row))).collect()
    }

    pub(crate) async fn live(&mut self) {
        for _ in 0..self.scenario.steps {
            self.nothing_changed_by_itself();
            self.step().await;
            self.left = self.scenario.alone.then(|| self.everything_shown());
            if self.scenario.serial {
                self.heal();
                self.settle("a serial step").await;
                self.set_faults(self.scenario.faults);
            }
            let pause = [0, 10, 300, 3_000, 20_000][self.random.random_range(0..5)];
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn step(&mut self) {
        let who = self.random.random_range(0..self.devices.len());
        if self.scenario.filters && self.chance(0.15) {
            return self.leave_out(who);
        }
        match self.random.random_range(0..100) {
            0..70 => self.user(who).await,
            70..82 if self.scenario.alone => self.user(who).await,
            70..82 => self.web_user(),
            82..92 => {
                let offline = !self.devices[who].provider.is_offline();
                // Now and then everybody at once: what follows is concurrent.
                let everybody = self.chance(0.3);
                self.note(format!("device{who} (everybody: {everybody}) offline {offline}"));
                for (index, device) in self.devices.iter().enumerate() {
                    if everybody || index == who {
                        device.provider.set_offline(offline);
                    }
                }
            }
            _ => self.restart(who).await,
        }
    }

    fn leave_out(&mut self, who: usize) {
        let names: &[&str] =
            [&["b"][..], &["take.wav", "notes"], &["collection.json", "A", "z"], &[]][self.random.random_range(0..4)];
        self.note(format!("device{who} leaves out {names:?}"));
        self.devices[who].leave_out(names);
    }

    async fn restart(&mut self, who: usize) {
        if self.scenario.crashes && self.scenario.cuts_power && self.chance(0.4) {
            self.note(format!("the power of device{who} is cut"));
            self.struck.count("power cut", "device");
            self.give_up_unrecorded(who);
            self.devices[who].cut_power().await;
        } else if self.scenario.crashes && self.chance(0.7) {
            self.note(format!("device{who} crashes"));
            self.struck.count("crash", "device");
            let loses_catalog = self.scenario.loses_catalog && !self.scenario.serial && self.chance(0.3);
            if loses_catalog {
                self.note(format!("device{who} loses its catalog"));
                self.struck.count("catalog lost", "device");
                self.give_up_unrecorded(who);
            }
            self.devices[who].crash().await;
            if loses_catalog {
                self.devices[who].lose_catalog();
            }
        } else {
            self.note(format!("device{who} restarts"));
            self.devices[who].stop().await;
        }
        self.devices[who].start();
    }

    /// Only bytes that were synced to disk are promised to survive a power cut or the loss of the catalog.
    fn give_up_unrecorded(&mut self, who: usize) {
        for row in self.devices[who].rows().into_values() {
            if let LocalContent::Staged { staged, .. } = row.content
                && self.devices[who].run().content.record(staged).unwrap().is_none()
            {
                let lost = self.shown(who, &row);
                self.give_up(lost);
            }
        }
    }

    /// A row of a device's tree, the root included as a folder.
    fn any_row(&mut self, who: usize, want: Option<NodeKind>) -> Option<(String, LocalRow)> {
        let rows: Vec<_> =
            self.devices[who].rows().into_iter().filter(|(_, row)| want.is_none_or(|kind| row.kind == kind)).collect();
        if rows.is_empty() { None } else { Some(rows[self.random.random_range(0..rows.len())].clone()) }
    }

    fn any_folder(&mut self, who: usize) -> NodeId {
        if self.chance(0.4) {
            return NodeId::ROOT;
        }
        self.any_row(who, Some(NodeKind::Folder)).map_or(NodeId::ROOT, |(_, row)| row.node)
    }

    async fn user(&mut self, who: usize) {
        let device_name = self.devices[who].name.clone();
        match self.random.random_range(0..100) {
            0..28 => {
                let (folder, name) = (self.any_folder(who), self.any_name());
                let copied = self.any_large(who).filter(|_| self.chance(0.25));
                let is_copy = copied.is_some();
                let bytes = copied.unwrap_or_else(|| self.fresh_bytes(&device_name));
                let durable = self.chance(0.5);
                let made = self.devices[who].create(folder, &name, &bytes, durable);
                self.note(format!("{device_name} creates {name} in {folder} (copy: {is_copy}): {made:?}"));
                if made.is_none() && !is_copy {
                    self.written.remove(&bytes);
                }
            }
            28..40 => {
                let (folder, name) = (self.any_folder(who), self.any_name());
                let made = self.devices[who].mkdir(folder, &name);
                self.note(format!("{device_name} makes folder {name} in {folder}: {made:?}"));
            }
            40..62 => {
                let Some((path, row)) = self.any_row(who, Some(NodeKind::File)) else { return };
                self.edit(who, &path, &row);
            }
            62..80 => {
                let Some((path, row)) = self.any_row(who, None) else { return };
                let (folder, name) = (self.any_folder(who), self.any_name());
                let rows = self.devices[who].rows();
                let key = self.cloud().names().key(&name);
                let replaced = rows.into_values().find(|other| {
                    other.parent == Some(folder)
                        && self.cloud().names().key(&other.name) == key
                        && other.node != row.node
                });
                let lost = replaced.and_then(|row| self.shown(who, &row));
                let done = self.devices[who].rename(row.node, folder, &name);
                self.note(format!("{device_name} renames {path} to {name} in {folder}: {done}"));
                if done {
                    self.give_up(lost);
                }
            }
            80..90 => {
                let Some((path, row)) = self.any_row(who, None) else { return };
                let prefix = format!("{path}/");
                let below: Vec<_> = self.devices[who]
                    .rows()
                    .into_iter()
                    .filter(|(other, _)| *other == path || other.starts_with(&prefix))
                    .collect();
                self.note(format!("{device_name} deletes {path} ({})", row.node));
                for (_, row) in below {
                    let lost = self.shown(who, &row);
                    self.give_up(lost);
                }
                self.devices[who].delete(row.node);
            }
            90..95 => {
                let Some((path, row)) = self.any_row(who, Some(NodeKind::File)) else { return };
                let open = self.chance(0.5);
                self.note(format!("{device_name} opens {path} for writing: {open}"));
                self.devices[who].set_writing(row.node, open);
            }
            _ => {
                let Some((path, row)) = self.any_row(who, Some(NodeKind::File)) else { return };
                let shown = self.shown(who, &row);
                if let Some(bytes) = self.devices[who].open_and_read(&row).await {
                    assert_eq!(Some(bytes), shown, "{device_name} reads {path}");
                }
            }
        }
    }

    fn edit(&mut self, who: usize, path: &str, row: &LocalRow) {
        let device_name = self.devices[who].name.clone();
        let before = self.shown(who, row);
        let durable = self.chance(0.5);
        let (done, how) = if self.chance(0.25)
            && let Some(before) = before.clone()
        {
            let tail = format!("+{}", self.counter).into_bytes();
            self.counter += 1;
            let done = self.devices[who].append_over(row.node, &tail);
            if let Some(staged) = done {
                let whole = [before, tail].concat();
                self.overlays.insert(staged, whole.clone());
                self.written.insert(whole);
            }
            (done.is_some(), "appends to")
        } else {
            let bytes = self.fresh_bytes(&device_name);
            (self.devices[who].write(row.node, &bytes, durable), "writes")
        };
        self.note(format!("{device_name} {how} {path} ({}): {done}", row.node));
        if done {
            self.give_up(before);
        }
    }

    /// Somebody in a browser: sees the cloud as it is.
    fn web_user(&mut self) {
        let ids: Vec<RemoteId> = self.cloud().entries.keys().cloned().collect();
        let folders: Vec<RemoteId> =
            ids.iter().filter(|id| self.cloud().entries[*id].revision.is_none()).cloned().collect();
        let id = ids[self.random.random_range(0..ids.len())].clone();
        let folder = folders[self.random.random_range(0..folders.len())].clone();
        let entry_name = self.any_name();
        let entry = self.cloud().entries[&id].clone();
        match self.random.random_range(0..100) {
            0..30 => {
                let bytes = self.fresh_bytes("web");
                let made = self.cloud().create_file(&folder, &entry_name, bytes.clone()).is_ok();
                self.note(format!("web creates {entry_name} in {folder}: {made}"));
                if !made {
                    self.written.remove(&bytes);
                }
            }
            30..40 => {
                let made = self.cloud().create_folder(&folder, &entry_name).is_ok();
                self.note(format!("web makes folder {entry_name} in {folder}: {made}"));
            }
            40..65 => {
                let Some(revision) = entry.revision else { return };
                let bytes = self.fresh_bytes("web");
                let before = self.cloud().revisions[&revision].clone();
                self.cloud().replace_file(&id, &revision, bytes).unwrap();
                self.note(format!("web writes {} ({id})", entry.name));
                self.give_up(Some(before));
            }
            65..85 => {
                if id != root_id() {
                    let done = self.cloud().relocate(&id, &folder, &entry_name).is_ok();
                    self.note(format!("web moves {} ({id}) to {entry_name} in {folder}: {done}", entry.name));
                }
            }
            _ => {
                if id != root_id() {
                    let below = self.cloud().subtree(&id);
                    for id in below {
                        let bytes = self.cloud().entries[&id].revision.clone();
                        let bytes = bytes.map(|revision| self.cloud().revisions[&revision].clone());
                        self.give_up(bytes);
                    }
                    self.cloud().remove(&id);
                    self.note(format!("web deletes {} ({id})", entry.name));
                }
            }
        }
    }

    /// Everything works again.
    pub(crate) fn heal(&mut self) {
        self.set_faults(Faults::default());
        for device in &self.devices {
            device.provider.set_offline(false);
            device.close_all();
            device.leave_out(&[]);
        }
    }
}
