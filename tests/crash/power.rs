//! A power cut while an application works: the daemon dies, and its disk forgets what was not made durable (promises P1, P3, P4, P22).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::disk::Disk;
use crate::evidence::Evidence;
use crate::support::{Device, tree};
use crate::{kill_after, setting};

/// Which file, whatever its name.
type Id = u64;
/// Files by path relative to the mount. Folders end in `/` and are no file.
type Names = BTreeMap<String, Option<Id>>;

/// An application, and what it may rely on.
struct Application {
    root: PathBuf,
    random: StdRng,
    /// Names after each operation since the last start, the last one perhaps still under way.
    past: Vec<Names>,
    /// No older names may come back.
    floor: usize,
    bytes: BTreeMap<Id, Vec<u8>>,
    /// Files that were synced and not written to since.
    safe: BTreeSet<Id>,
    last: Id,
    journal: Vec<String>,
}

impl Application {
    fn new(root: PathBuf, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        let (bytes, safe) = (BTreeMap::new(), BTreeSet::new());
        Self { root, random, past: vec![Names::new()], floor: 0, bytes, safe, last: 0, journal: Vec::new() }
    }

    fn now(&self) -> Names {
        self.past[self.past.len() - 1].clone()
    }

    fn work_until_the_mount_dies(&mut self) {
        while let Ok(()) = self.step() {}
    }

    fn step(&mut self) -> io::Result<()> {
        let names = self.now();
        let files: Vec<(String, Id)> = names.iter().filter_map(|(name, id)| Some((name.clone(), (*id)?))).collect();
        let folders: Vec<String> = names.keys().filter(|name| name.ends_with('/')).cloned().collect();
        let folder = if folders.is_empty() || self.random.random_bool(0.5) {
            String::new()
        } else {
            folders[self.random.random_range(0..folders.len())].clone()
        };
        let new_name = format!("{folder}file {}", self.random.random_range(0..12_u32));
        let file = (!files.is_empty()).then(|| files[self.random.random_range(0..files.len().max(1))].clone());
        match (self.random.random_range(0..12_u32), file) {
            (0..3, _) | (_, None) => self.write_new(&new_name),
            (3, Some((name, id))) => self.append(&name, id),
            (4, Some((name, id))) => self.overwrite(&name, id),
            (5 | 6, Some((name, _))) => self.save_atomically(&name),
            (7, Some((name, id))) => self.rename(&name, id, &new_name),
            (8, Some((name, _))) => {
                self.will_be(format!("delete {name}"), |names| {
                    names.remove(&name);
                });
                fs::remove_file(self.root.join(name))
            }
            (9, Some(_)) => {
                self.journal.push("sync names".to_owned());
                File::open(&self.root)?.sync_all()?;
                self.floor = self.past.len() - 1;
                Ok(())
            }
            (10, Some(_)) => {
                let name = format!("folder {}/", self.random.random_range(0..3_u32));
                if names.contains_key(&name) {
                    return Ok(());
                }
                self.will_be(format!("make {name}"), |names| {
                    names.insert(name.clone(), None);
                });
                fs::create_dir(self.root.join(name))
            }
            (_, Some(_)) => self.rename_folder(&folders),
        }
    }

    /// Names after the operation that now begins.
    fn will_be(&mut self, what: String, change: impl FnOnce(&mut Names)) {
        self.journal.push(format!("{}: {what}", self.past.len()));
        let mut names = self.now();
        change(&mut names);
        self.past.push(names);
    }

    fn fresh_bytes(&mut self) -> Vec<u8> {
        let len = [1, 4096, 65_536, 65_537, 150_000][self.random.random_range(0..5_usize)];
        let first = self.random.random_range(1..=u8::MAX);
        (0..len).map(|at: usize| first.wrapping_add(u8::try_from(at % 251).unwrap()).max(1)).collect()
    }

    /// A file is about to be written to.
    fn touch(&mut self, what: &str, id: Id) {
        self.journal.push(format!("{what} ({id})"));
        self.safe.remove(&id);
    }

    fn written(&mut self, mut file: &File, id: Id, bytes: Vec<u8>, synced: bool) -> io::Result<()> {
        file.flush()?;
        self.bytes.insert(id, bytes);
        if synced {
            file.sync_all()?;
            self.journal.push(format!("synced ({id})"));
            self.safe.insert(id);
            self.floor = self.past.len() - 1;
        }
        Ok(())
    }

    fn write_new(&mut self, name: &str) -> io::Result<()> {
        let (bytes, synced) = (self.fresh_bytes(), self.random.random_bool(0.4));
        let id = self.create(name);
        let mut file = File::create(self.root.join(name))?;
        file.write_all(&bytes)?;
        self.written(&file, id, bytes, synced)
    }

    /// The file that is there, which will be cut, or a new one.
    fn create(&mut self, name: &str) -> Id {
        if let Some(Some(id)) = self.now().get(name) {
            self.touch(&format!("write {name} anew"), *id);
            return *id;
        }
        self.last += 1;
        let id = self.last;
        self.will_be(format!("create {name} ({id})"), |names| {
            names.insert(name.to_owned(), Some(id));
        });
        id
    }

    fn append(&mut self, name: &str, id: Id) -> io::Result<()> {
        let (tail, synced) = (self.fresh_bytes(), self.random.random_bool(0.4));
        self.touch(&format!("append to {name}"), id);
        let mut file = OpenOptions::new().append(true).open(self.root.join(name))?;
        file.write_all(&tail)?;
        let whole = [self.bytes[&id].clone(), tail].concat();
        self.written(&file, id, whole, synced)
    }

    /// Some parts of a file that stays open, as a database or a long session is.
    fn overwrite(&mut self, name: &str, id: Id) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.root.join(name))?;
        for _ in 0..self.random.random_range(1..=3) {
            let (part, synced) = (self.fresh_bytes(), self.random.random_bool(0.6));
            let mut whole = self.bytes[&id].clone();
            let at = self.random.random_range(0..=whole.len());
            self.touch(&format!("overwrite {name} at {at}"), id);
            file.write_all_at(&part, u64::try_from(at).unwrap())?;
            whole.resize(whole.len().max(at + part.len()), 0);
            whole[at..at + part.len()].copy_from_slice(&part);
            self.written(&file, id, whole, synced)?;
        }
        Ok(())
    }

    fn save_atomically(&mut self, name: &str) -> io::Result<()> {
        let (beside, bytes) = (format!("{name} being saved"), self.fresh_bytes());
        let id = self.create(&beside);
        let mut file = File::create(self.root.join(&beside))?;
        file.write_all(&bytes)?;
        self.written(&file, id, bytes, true)?;
        self.rename(&beside, id, name)
    }

    fn rename(&mut self, from: &str, id: Id, to: &str) -> io::Result<()> {
        self.will_be(format!("rename {from} to {to}"), |names| {
            names.remove(from);
            names.insert(to.to_owned(), Some(id));
        });
        fs::rename(self.root.join(from), self.root.join(to))
    }

    fn rename_folder(&mut self, folders: &[String]) -> io::Result<()> {
        let to = format!("folder {}/", self.random.random_range(0..3_u32));
        if folders.is_empty() || folders.contains(&to) {
            return Ok(());
        }
        let from = folders[self.random.random_range(0..folders.len())].clone();
        self.will_be(format!("rename {from} to {to}"), |names| {
            let moved = |name: &str| name.strip_prefix(&from).map(|rest| format!("{to}{rest}"));
            *names = names.iter().map(|(name, id)| (moved(name).unwrap_or(name.clone()), *id)).collect();
        });
        fs::rename(self.root.join(from), self.root.join(to))
    }

    /// The names are those of one moment since the last sync, and files that were synced have their bytes.
    fn verify(&mut self, when: &str) {
        let found = tree(&self.root);
        let is_allowed = |names: &Names| {
            names.keys().eq(found.keys())
                && names.iter().all(|(name, id)| match id {
                    Some(id) if self.safe.contains(id) => found[name] == self.bytes[id],
                    Some(_) | None => true,
                })
        };
        if !self.past[self.floor..].iter().any(is_allowed) {
            let journal = self.journal[self.journal.len().saturating_sub(60)..].join("\n");
            let shown: Vec<_> = found.iter().map(|(name, bytes)| format!("{name} ({} bytes)", bytes.len())).collect();
            let floor = &self.past[self.floor];
            panic!("{when}: not as at any moment since {}: {floor:?}\nfound {shown:?}\n{journal}", self.floor);
        }
        self.begin_anew(found);
    }

    /// What was promised of each file by itself, where the provider's changes come in between.
    fn verify_files(&mut self, when: &str) {
        let found = tree(&self.root);
        let now = self.now();
        for (name, id) in &self.past[self.floor] {
            let stays = self.past[self.floor..].iter().all(|names| names.get(name) == Some(id));
            let Some(id) = id.filter(|id| stays && self.safe.contains(id)) else { continue };
            let journal = self.journal[self.journal.len().saturating_sub(60)..].join("\n");
            assert!(found.get(name) == Some(&self.bytes[&id]), "{when}: {name} ({id}) is lost\n{now:?}\n{journal}");
        }
    }

    fn begin_anew(&mut self, found: BTreeMap<String, Vec<u8>>) {
        let mut names = Names::new();
        self.bytes.clear();
        self.safe.clear();
        for (name, bytes) in found {
            let id = (!name.ends_with('/')).then(|| {
                self.last += 1;
                self.bytes.insert(self.last, bytes);
                self.last
            });
            names.insert(name, id);
        }
        self.journal.push(format!("0: {names:?}"));
        self.past = vec![names];
        self.floor = 0;
    }
}

/// The machine was started again: what it remembers of its last start is of another one.
fn count_another_boot(state: &Path) {
    const BOOT_AT: u64 = 48;
    for vault in fs::read_dir(state).unwrap() {
        let Ok(staging) = fs::read_dir(vault.unwrap().path().join("staging")) else { continue };
        for map in staging.map(|entry| entry.unwrap().path()).filter(|path| path.extension() == Some("map".as_ref())) {
            OpenOptions::new().write(true).open(map).unwrap().write_all_at(&[0x5a; 8], BOOT_AT).unwrap();
        }
    }
}

#[test]
fn a_power_cut_takes_nothing_that_was_synced() {
    let (cuts, seed) = (setting("VAULTFS_CUTS", 3), setting("VAULTFS_SEED", 1));
    let mut random = StdRng::seed_from_u64(seed ^ 0x70_6f77);
    let device = Device::new("forgetful");
    let mut disk = Disk::mount(&device.path("state"));
    let mut evidence = Evidence::gather(&device);
    let remote = device.path("remote");
    let mut application = Application::new(device.mount_local(&remote), seed);
    for cut in 1..=cuts {
        let is_online = random.random_bool(0.5);
        if !is_online {
            device.ok(["offline", "vault"]);
            File::open(device.mnt()).unwrap().sync_all().unwrap();
        }
        let killer = kill_after(&device, Duration::from_micros(random.random_range(0..1_500_000)));
        application.work_until_the_mount_dies();
        killer.join().unwrap();
        device.await_death();
        evidence.end_run();
        // Files that were lent to the kernel stay open on the disk as long as the dead mount is there.
        device.clear_mount();
        disk.cut_power(&mut random);
        count_another_boot(&device.path("state").join("vaultfs"));
        device.mount();
        let when = format!("after cut {cut} of {cuts} (seed {seed}, online: {is_online})");
        if is_online {
            application.verify_files(&when);
        } else {
            application.verify(&when);
            device.ok(["online", "vault"]);
        }
        device.wait_synced();
        let (here, there) = (tree(&device.mnt()), tree(&remote));
        assert_eq!(here.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>(), "names {when}");
        assert!(here == there, "bytes in the mount and at the provider {when}");
        let conflicts: Vec<_> = here.keys().filter(|name| name.contains("(conflict")).collect();
        assert!(conflicts.is_empty(), "a conflict with nobody {when}: {conflicts:?}");
        application.begin_anew(here);
    }
    println!("{cuts} cuts, seed {seed}: nothing promised was lost");
}
