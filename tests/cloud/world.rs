//! One account and its devices. Each device has a network of its own, so that one can be cut off alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloud_sim::dropbox::{APP_KEY, Consent, Door, DropboxSim, Item, Options, Web};
use cloud_sim::log::Record;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::harness::{Device, eventually, signal};
use crate::person;

/// The vault's folder in the account.
const FOLDER: &str = "/Apps/Muze/MyVault";

/// Files with their bytes and folders without, by path.
pub(crate) type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// The service.
pub(crate) struct World {
    pub(crate) sim: DropboxSim,
    runtime: Runtime,
}

/// A device that is signed in, with the vault mounted.
pub(crate) struct Seat<'w> {
    pub(crate) device: Device,
    /// What the service calls it in its log.
    pub(crate) link: String,
    door: Door,
    world: &'w World,
}

impl World {
    pub(crate) fn new() -> Self {
        let sim = DropboxSim::start(Options::default()).unwrap();
        sim.oauth().set_consent(Consent::Approve);
        sim.set_longpoll_jitter(Duration::ZERO);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { sim, runtime }
    }

    /// A device that nobody has used yet, and its way to the service.
    pub(crate) fn stranger(&self, name: &str) -> (Device, Door) {
        let mut device = Device::named(name);
        device.set("VAULTFS_DROPBOX_APP_KEY", APP_KEY);
        device.set("VAULTFS_DROPBOX_REDIRECT_PORTS", "0");
        (device, self.sim.door().unwrap())
    }

    /// The `number`th device of the account, signed in and mounted.
    pub(crate) fn device(&self, number: usize, name: &str) -> Seat<'_> {
        let (device, door) = self.stranger(name);
        let said = person::by_code(&device, &connect(&door), |page| person::code_on(page).unwrap_or_default());
        assert_eq!(said.code, 0, "{said:#?}");
        self.seat(device, door, &format!("link {number}"))
    }

    /// A device that is signed in gets the vault.
    pub(crate) fn seat(&self, device: Device, door: Door, link: &str) -> Seat<'_> {
        let seat = Seat { device, link: link.to_owned(), door, world: self };
        seat.device.ok(&format!("vault add Songs --provider dropbox --folder {FOLDER} --layout plain"));
        seat.device.folder("mnt");
        seat.mount();
        seat
    }

    pub(crate) fn two_devices(&self) -> (Seat<'_>, Seat<'_>) {
        (self.device(1, "studio"), self.device(2, "stage"))
    }

    pub(crate) fn web(&self) -> Web {
        self.sim.first_account().web()
    }

    /// What stands at a path of the vault.
    pub(crate) fn item(&self, path: &str) -> Option<Item> {
        self.web().item(&format!("{FOLDER}/{path}"))
    }

    /// The vault as the account has it.
    pub(crate) fn tree(&self) -> Tree {
        let web = self.web();
        let inside = |path: &str| path.strip_prefix(FOLDER)?.strip_prefix('/').map(str::to_owned);
        let entries = web.tree().into_iter().filter_map(|(path, item)| Some((inside(&path)?, path, item)));
        entries.map(|(inside, path, item)| (inside, bytes(&web, &path, &item))).collect()
    }

    /// Waits until something is true of the requests so far. However long: an upload of gigabytes takes its time.
    pub(crate) fn until(&self, what: &str, is_true: impl Fn(&[Arc<Record>]) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(900);
        while !is_true(&self.sim.log().entries()) {
            assert!(Instant::now() < deadline, "it did not come to be: {what}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

/// The bytes of a file; what has gone meanwhile has none.
fn bytes(web: &Web, path: &str, item: &Item) -> Option<Vec<u8>> {
    match item {
        Item::Folder => None,
        Item::File { .. } => web.read(path).ok(),
    }
}

/// The command that signs in through this door.
pub(crate) fn connect(door: &Door) -> String {
    format!("connect dropbox --base-url {}", door.base_url())
}

impl Seat<'_> {
    pub(crate) fn mnt(&self) -> PathBuf {
        self.device.path("mnt")
    }

    pub(crate) fn mount(&self) {
        self.device.ok("mount Songs @/mnt");
    }

    /// The network of this device is gone: connections break, and nobody answers.
    pub(crate) fn cut_off(&self) {
        self.world.runtime.block_on(self.door.link().refuse());
    }

    /// It is back.
    pub(crate) fn reconnect(&self) {
        self.world.runtime.block_on(self.door.link().up());
    }

    /// `kill -9` of the daemon, and of the process that would start it again.
    pub(crate) fn kill(&self) {
        let daemon = self.device.daemon().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{daemon}/status")).unwrap();
        let supervisor = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().parse().unwrap();
        signal(supervisor, "KILL");
        signal(daemon, "KILL");
        eventually("the daemon is gone", || self.device.daemon().is_none());
    }

    /// The state of the vault in one word.
    pub(crate) fn state(&self) -> String {
        self.device.ok("status --short").out.trim().to_owned()
    }

    /// Waits until the vault is in this state.
    pub(crate) fn until_state(&self, state: &str) {
        eventually(&format!("the vault is {state}"), || self.state() == state);
    }

    /// Waits until everything that was done here is safe at the provider.
    pub(crate) fn wait_synced(&self) {
        self.device.ok("wait --timeout 50 @/mnt");
    }

    /// What the program knows of a file.
    pub(crate) fn status(&self, path: &str) -> Value {
        self.device.json(&format!("status @/mnt/{path}"))
    }

    /// The vault as the mount shows it.
    pub(crate) fn tree(&self) -> Tree {
        fn collect(root: &Path, folder: &Path, into: &mut Tree) {
            // What goes away during the look is left out: a sync may be under way.
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                if path.is_dir() {
                    into.insert(name, None);
                    collect(root, &path, into);
                } else if let Ok(bytes) = std::fs::read(&path) {
                    into.insert(name, Some(bytes));
                }
            }
        }
        let (mut tree, root) = (Tree::new(), self.mnt());
        collect(&root, &root, &mut tree);
        tree
    }

    /// The paths of unsettled conflicts.
    pub(crate) fn conflicts(&self) -> Vec<Value> {
        self.device.json("conflicts")["items"].as_array().cloned().unwrap_or_default()
    }
}

/// Waits until the devices and the account have the same tree, and nobody has anything left to do.
pub(crate) fn converged(world: &World, seats: &[&Seat<'_>]) -> Tree {
    seats.iter().for_each(|seat| seat.wait_synced());
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let at_rest = seats.iter().all(|seat| ["idle", "conflict"].contains(&seat.state().as_str()));
        let (account, here) = (world.tree(), seats.iter().map(|seat| seat.tree()).collect::<Vec<_>>());
        if at_rest && here.iter().all(|here| *here == account) {
            return account;
        }
        let trees: String =
            here.iter().zip(seats).map(|(tree, seat)| format!("{}\n{}", seat.link, shown(tree))).collect();
        assert!(Instant::now() < deadline, "{trees}the account\n{}", shown(&account));
    }
}

fn shown(tree: &Tree) -> String {
    let line = |(path, bytes): (&String, &Option<Vec<u8>>)| match bytes {
        None => format!("  {path}/\n"),
        Some(bytes) => {
            format!("  {path}: {} bytes: {}\n", bytes.len(), String::from_utf8_lossy(&bytes[..bytes.len().min(40)]))
        }
    };
    tree.iter().map(line).collect()
}
