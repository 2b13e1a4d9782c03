//! One device, alone with its cloud. A call is stopped at any boundary, before or after its effect; in that moment the user does
//! something else; then the answer comes, or is lost, or the process is dead, or the power is gone and with it what the catalog had not
//! made durable. Nobody else is there: what the mount shows from then on must never change by itself, and in the end the cloud holds
//! exactly that (promises P8 and P22).
//!
//! `VAULTFS_KILL_CASES` says how many cases are drawn, `VAULTFS_KILL_SEED` which one first.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use vaultfs::catalog::LocalRow;
use vaultfs::provider::Provider;
use vaultfs::sync::VaultState;
use vaultfs::types::{NodeId, NodeKind};

use crate::clock::SimClock;
use crate::cloud::{Cloud, Manner, name};
use crate::device::Device;
use crate::gate::{Gated, Release, Stopped};
use crate::provider::SimProvider;
use crate::spread;

/// More boundaries than the work of a case passes.
const BOUNDARIES: u64 = 70;

/// What the user does in the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Deed {
    Nothing,
    Delete,
    Rename,
    MoveIntoFolder,
    Edit,
    /// Renames another file over it.
    Replace,
    /// Deletes it and makes it again with other bytes.
    MakeAgain,
    /// Deletes it and makes it again with the same bytes.
    MakeTheSame,
}

pub(crate) const DEEDS: [Deed; 8] = [
    Deed::Nothing,
    Deed::Delete,
    Deed::Rename,
    Deed::MoveIntoFolder,
    Deed::Edit,
    Deed::Replace,
    Deed::MakeAgain,
    Deed::MakeTheSame,
];

/// How the stopped call ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Answer,
    Lost,
    Killed,
    PowerCut,
}

#[derive(Clone, Debug)]
struct Case {
    manner: Manner,
    boundary: u64,
    end: End,
    /// Changes are pulled while the call is stopped.
    feed_first: bool,
    deed: Deed,
    /// The deed is about what the stopped call is about.
    is_about_it: bool,
    /// The deed comes after the restart, before anything was looked up.
    is_late: bool,
    /// Chooses among files.
    choice: u64,
}

impl Case {
    fn of(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let end = [End::Answer, End::Lost, End::Killed, End::PowerCut][random.random_range(0..4)];
        Self {
            manner: if random.random_bool(0.6) { Manner::Dropbox } else { Manner::Icloud },
            boundary: random.random_range(0..BOUNDARIES),
            end,
            feed_first: random.random_bool(0.4),
            deed: DEEDS[random.random_range(0..DEEDS.len())],
            is_about_it: random.random_bool(0.7),
            is_late: matches!(end, End::Killed | End::PowerCut) && random.random_bool(0.3),
            choice: random.random(),
        }
    }
}

/// Everything that a device shows, with its bytes.
pub(crate) async fn shown<P: Provider>(device: &Device<P>) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut shown = BTreeMap::new();
    for path in device.rows().into_keys() {
        let bytes = tokio::time::timeout(Duration::from_secs(60), read(device, &path)).await;
        shown.insert(path.clone(), bytes.unwrap_or_else(|_| panic!("{path} cannot be read")));
    }
    shown
}

/// The bytes of a file, `None` for a folder. The row is read again if it has changed before its bytes were read.
async fn read<P: Provider>(device: &Device<P>, path: &str) -> Option<Vec<u8>> {
    loop {
        let row = device.rows().remove(path).unwrap_or_else(|| panic!("{path} has gone by itself"));
        if row.kind != NodeKind::File {
            return None;
        }
        if let Some(bytes) = device.open_and_read(&row).await {
            return Some(bytes);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Files and folders that both sides have.
pub(crate) fn furnish<P: Provider>(device: &Device<P>) {
    let folder = device.mkdir(NodeId::ROOT, &name("folder")).unwrap();
    device.create(folder, &name("inside"), b"inside", true).unwrap();
    for file in ["moves", "edited", "goes", "saved", "left", "right", "other"] {
        device.create(NodeId::ROOT, &name(file), file.as_bytes(), true).unwrap();
    }
}

/// Work that leads to calls of every kind.
pub(crate) fn work<P: Provider>(device: &Device<P>) {
    let rows = device.rows();
    let node = |path: &str| rows[path].node;
    assert!(device.rename(node("moves"), NodeId::ROOT, &name("moved")));
    assert!(device.write(node("edited"), b"edited again", true));
    assert!(device.delete(node("goes")));
    device.create(NodeId::ROOT, &name("new"), b"new", false).unwrap();
    device.create(NodeId::ROOT, &name("new twin"), b"new", false).unwrap();
    let made = device.mkdir(NodeId::ROOT, &name("made")).unwrap();
    device.create(made, &name("inside"), b"inside what was made", true).unwrap();
    assert!(device.rename(node("folder"), NodeId::ROOT, &name("renamed")));
    // An atomic save, and a swap of two names.
    let beside = device.create(NodeId::ROOT, &name("saved~"), b"saved again", true).unwrap();
    assert!(device.rename(beside, NodeId::ROOT, &name("saved")));
    assert!(device.rename(node("left"), NodeId::ROOT, &name("between")));
    assert!(device.rename(node("right"), NodeId::ROOT, &name("left")));
    assert!(device.rename(node("left"), NodeId::ROOT, &name("right")));
}

/// Does something to the file that a call is about, or to any.
pub(crate) async fn act<P: Provider>(device: &Device<P>, deed: Deed, about: Option<&Stopped>, choice: u64) {
    let rows: Vec<LocalRow> = device.rows().into_values().collect();
    let it = about.and_then(|stopped| rows.iter().find(|row| Some(&row.name) == stopped.name.as_ref()));
    let any = |count: usize| usize::try_from(choice % u64::try_from(count).unwrap()).unwrap();
    let row = it.unwrap_or(&rows[any(rows.len())]);
    let others: Vec<&LocalRow> =
        rows.iter().filter(|other| other.kind == NodeKind::File && other.node != row.node).collect();
    let (is_folder, parent) = (row.kind == NodeKind::Folder, row.parent.unwrap());
    match deed {
        Deed::Nothing => {}
        Deed::Delete => assert!(device.delete(row.node)),
        Deed::Rename => assert!(device.rename(row.node, NodeId::ROOT, &name("renamed in the moment"))),
        Deed::MoveIntoFolder => {
            let mut folders = rows.iter().filter(|other| other.kind == NodeKind::Folder && other.node != row.node);
            if let Some(folder) = folders.next_back() {
                device.rename(row.node, folder.node, &name("moved in the moment"));
            }
        }
        Deed::Edit if is_folder => assert!(device.create(row.node, &name("late"), b"late", true).is_some()),
        Deed::Edit => assert!(device.write(row.node, b"edited in the moment", true)),
        Deed::Replace => {
            let other = others[any(others.len())];
            if is_folder {
                assert!(device.delete(row.node));
            }
            // What was below the folder is gone with it.
            if device.rows().values().any(|row| row.node == other.node) {
                assert!(device.rename(other.node, parent, &row.name));
            }
        }
        Deed::MakeAgain | Deed::MakeTheSame => {
            let bytes = device.open_and_read(row).await;
            assert!(device.delete(row.node));
            match bytes.filter(|_| deed == Deed::MakeTheSame) {
                _ if is_folder => assert!(device.mkdir(parent, &row.name).is_some()),
                Some(bytes) => assert!(device.create(parent, &row.name, &bytes, true).is_some()),
                None => assert!(device.create(parent, &row.name, b"made again", false).is_some()),
            }
        }
    }
}

/// True if the boundary was reached.
async fn run(case: &Case) -> bool {
    let cloud = Arc::new(Mutex::new(Cloud::new(case.manner, case.choice)));
    let provider = Gated::new(SimProvider::new(Arc::clone(&cloud), case.choice));
    let mut device = Device::new("anna", provider, SimClock::new(0), Duration::ZERO, 1);
    furnish(&device);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(device.run().engine.status().unwrap().state, VaultState::Idle);
    device.provider.arm(case.boundary);
    work(&device);
    let stopped = tokio::select! {
        stopped = device.provider.stopped() => stopped,
        () = tokio::time::sleep(Duration::from_secs(300)) => return false,
    };
    if case.feed_first {
        device.run().engine.hint();
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    let about = Some(&stopped).filter(|_| case.is_about_it);
    if !case.is_late {
        act(&device, case.deed, about, case.choice).await;
    }
    device.provider.disarm();
    match case.end {
        End::Answer => device.provider.release(Release::GoOn),
        End::Lost => device.provider.release(Release::Lose),
        End::Killed => {
            device.crash().await;
            device.start();
        }
        End::PowerCut => {
            device.cut_power().await;
            device.start();
        }
    }
    if case.is_late {
        act(&device, case.deed, about, case.choice).await;
    }
    let expected = shown(&device).await;
    tokio::time::sleep(Duration::from_secs(1200)).await;
    let status = device.run().engine.status().unwrap();
    assert_eq!(status.state, VaultState::Idle, "{stopped:?} {status:#?} {:#?}", device.run().engine.queue());
    assert_eq!(shown(&device).await, expected, "the mount has changed by itself: {stopped:?}");
    assert_eq!(cloud.lock().unwrap().tree(), expected, "the cloud is not what the mount shows: {stopped:?}");
    assert_eq!(device.run().catalog.check().unwrap(), Vec::<String>::new(), "{stopped:?}");
    true
}

#[test]
fn a_device_that_is_alone_meets_nobody_but_itself() {
    crate::seeds::log();
    let seeds = spread::wanted("VAULTFS_KILL_SEED", "VAULTFS_KILL_CASES", 200);
    let (first, count) = (seeds.start, seeds.end - seeds.start);
    let outcomes = spread::over(seeds, |seed| {
        let case = Case::of(seed);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        runtime
            .block_on(AssertUnwindSafe(run(&case)).catch_unwind())
            .map_err(|panic| format!("{case:?}\n{}", panic.downcast_ref::<String>().cloned().unwrap_or_default()))
    });
    let (mut reached, mut failures) = (0, Vec::new());
    for (seed, outcome) in outcomes {
        match outcome {
            Ok(is_reached) => reached += u64::from(is_reached),
            Err(why) => {
                println!("---- seed {seed}: {why}\nreplay: scripts/simulate.sh kills --seed {seed}\n");
                failures.push(seed);
            }
        }
    }
    println!("{count} cases from {first}, {reached} reached their boundary, {} failed: {failures:?}", failures.len());
    assert!(failures.is_empty(), "{} of {count} cases failed: {failures:?}", failures.len());
    assert!(count < 100 || reached > count / 2, "few cases reach their boundary: {reached} of {count}");
}
