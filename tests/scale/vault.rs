//! A vault of very many nodes: what it costs to take in, to open again, and to leave alone.

use std::fs;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::api::wait_idle;
use crate::figure;
use crate::probe::{Daemon, Times};
use crate::{device, size};

/// What the daemon may use when it was started, and looks at names, in a vault of a million nodes.
const IDLE_BYTES: u64 = 64 << 20;
/// Files of one folder.
const PER_FOLDER: usize = 1_000;

fn name(root: &Path, at: usize) -> PathBuf {
    let folder = at / PER_FOLDER;
    root.join(format!("Year {:02}/Case {folder:05}/Document {:04}.txt", folder % 40, at % PER_FOLDER))
}

#[test]
fn a_vault_of_very_many_nodes_opens_at_once_and_idles_in_little_memory() {
    let nodes = size("VAULTFS_SCALE_NODES", 10_000);
    figure("nodes of the vault", nodes);
    let (device, remote) = device("vault", |remote| {
        for at in 0..nodes {
            let path = name(remote, at);
            if at % PER_FOLDER == 0 {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
            }
            fs::write(path, "").unwrap();
        }
    });
    let daemon = Daemon::of(&device);
    let span = daemon.span();
    let mnt = device.mount();
    wait_idle(&device);
    span.end("first scan, until everything is shown");
    figure("memory after it", format!("{} MiB", daemon.resident() >> 20));
    let database = device.vault_state().join("catalog.db");
    figure("catalog on disk", format!("{} MiB", fs::metadata(database).unwrap().len() >> 20));

    device.ok(["daemon", "stop"]);
    let mut starting = Times::default();
    starting.time(|| device.mount());
    starting.print("start the daemon, open the catalog, mount");
    let daemon = Daemon::of(&device);
    let mut random = StdRng::seed_from_u64(7);
    let mut lookups = Times::default();
    let span = daemon.span();
    for _ in 0..1_000 {
        let at = random.random_range(0..nodes);
        assert!(lookups.time(|| fs::metadata(name(&mnt, at))).unwrap().is_file());
    }
    lookups.print("look up a path of three names, cold");
    let mut peak = span.end("1,000 look-ups");
    let span = daemon.span();
    wait_idle(&device);
    span.end("after a start: until the provider was compared");
    let mut saving = Times::default();
    let span = daemon.span();
    for at in 0..100 {
        saving.time(|| fs::write(name(&mnt, at * 7 % nodes), "edited").unwrap());
    }
    saving.print("write over a file");
    wait_idle(&device);
    peak = peak.max(span.end("100 files written over, until all are at the provider"));
    figure("memory, idle", format!("{} MiB", daemon.resident() >> 20));
    for at in 0..100 {
        assert_eq!(fs::read_to_string(name(&remote, at * 7 % nodes)).unwrap(), "edited");
    }
    assert!(peak <= IDLE_BYTES, "the daemon used {} MiB", peak >> 20);
}
