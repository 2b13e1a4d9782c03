//! Many seeds. `VAULTFS_SIM_SEEDS` says how many, `VAULTFS_SIM_SEED` which one first (alone, unless a number is given too).

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use crate::spread;
use crate::world::{Scenario, World};

/// Decisions that a run of fifty seeds or more has to reach, or it says nothing.
const WANTED: [&str; 17] = [
    "file - x E",
    "file - x M",
    "file - x D",
    "file E x -",
    "file E x E",
    "file E x M",
    "file E x D",
    "file M x -",
    "file M x M",
    "file M x D",
    "file D x -",
    "file D x E",
    "file D x M",
    "dir - x M",
    "dir - x D",
    "dir M x -",
    "dir D x -",
];

/// What a seed reached.
#[derive(Default)]
struct Reach {
    calls: u64,
    cells: BTreeMap<&'static str, u64>,
}

impl Reach {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        for (cell, count) in other.cells {
            *self.cells.entry(cell).or_default() += count;
        }
    }
}

/// Runs one seed on virtual time; the message of a failure, if it fails.
fn run(seed: u64) -> Result<Reach, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let mut world = World::new(Scenario::of(seed));
        let outcome = AssertUnwindSafe(async {
            world.live().await;
            world.heal();
            world.settle("at the end").await;
            world.check().await;
        })
        .catch_unwind()
        .await;
        let mut reach = Reach::default();
        for device in &world.devices {
            reach.add(Reach { calls: device.calls(), cells: device.cells() });
        }
        outcome.map(|()| reach).map_err(|panic| {
            let why = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_default();
            format!("{:#?}\n{}\n{why}", world.scenario, world.journal.join("\n"))
        })
    })
}

/// `VAULTFS_SIM_LOG=vaultfs=debug` shows what the engines do.
pub(crate) fn log() {
    if let Ok(filter) = std::env::var("VAULTFS_SIM_LOG") {
        let filter = tracing_subscriber::EnvFilter::new(filter);
        let started = tracing_subscriber::fmt().with_env_filter(filter).without_time().with_writer(std::io::stderr);
        started.try_init().expect("one log of one test");
    }
}

#[test]
fn devices_converge_and_nothing_is_lost() {
    log();
    let seeds = spread::wanted("VAULTFS_SIM_SEED", "VAULTFS_SIM_SEEDS", 50);
    let (first, count) = (seeds.start, seeds.end - seeds.start);
    let mut failures = Vec::new();
    let mut reach = Reach::default();
    for (seed, outcome) in spread::over(seeds, run) {
        match outcome {
            Ok(reached) => reach.add(reached),
            Err(report) => {
                let line = report.lines().last().unwrap_or_default().to_owned();
                println!("---- seed {seed}\n{report}\nreplay: scripts/simulate.sh engine --seed {seed}\n");
                failures.push((seed, line));
            }
        }
    }
    for (cell, count) in &reach.cells {
        println!("{count:>10}  {cell}");
    }
    let calls = reach.calls;
    println!("{count} seeds from {first}, {calls} provider calls, {} failed: {failures:?}", failures.len());
    assert!(failures.is_empty(), "{} of {count} seeds failed", failures.len());
    if count >= 50 {
        let missed: Vec<_> = WANTED.iter().filter(|cell| !reach.cells.contains_key(*cell)).collect();
        assert!(missed.is_empty(), "never reached: {missed:?}");
    }
}
