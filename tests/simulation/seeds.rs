//! Many seeds. `VAULTFS_SIM_SEEDS` says how many, `VAULTFS_SIM_SEED` which one first (alone, unless a number is given too).

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use crate::spread;
use crate::struck::{Counts, report};
use crate::world::{Scenario, World};

/// Decisions that a run of fifty seeds or more has to reach, or it says nothing.
const WANTED: [&str; 18] = [
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
    "left out",
];

/// Seeds that every kind of fault has to strike.
const MANY: u64 = 500;

/// What a seed reached.
#[derive(Default)]
struct Reach {
    calls: u64,
    cells: BTreeMap<&'static str, u64>,
    struck: Counts,
}

impl Reach {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        for (cell, count) in other.cells {
            *self.cells.entry(cell).or_default() += count;
        }
        for (fault, count) in other.struck {
            *self.struck.entry(fault).or_default() += count;
        }
    }
}

/// Runs a scenario on virtual time; the message of a failure, if it fails.
fn run(scenario: Scenario) -> Result<Reach, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let mut world = World::new(scenario);
        let outcome = AssertUnwindSafe(async {
            world.live().await;
            world.heal();
            world.settle("at the end").await;
            world.check().await;
        })
        .catch_unwind()
        .await;
        let mut reach = Reach { struck: world.struck.counts(), ..Reach::default() };
        for device in &world.devices {
            let struck = device.provider.struck.counts();
            reach.add(Reach { calls: device.calls(), cells: device.cells(), struck });
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

/// Runs many seeds; what they reached.
fn run_all(what: &str, seeds: Range<u64>, scenario: impl Fn(u64) -> Scenario + Sync) -> Reach {
    log();
    let (first, count) = (seeds.start, seeds.end - seeds.start);
    let mut failures = Vec::new();
    let mut reach = Reach::default();
    for (seed, outcome) in spread::over(seeds, |seed| run(scenario(seed))) {
        match outcome {
            Ok(reached) => reach.add(reached),
            Err(report) => {
                let line = report.lines().last().unwrap_or_default().to_owned();
                println!("---- seed {seed} {what}\n{report}\nreplay: scripts/simulate.sh engine --seed {seed}\n");
                failures.push((seed, line));
            }
        }
    }
    for (cell, count) in &reach.cells {
        println!("{count:>10}  {cell}");
    }
    let unstruck = report(&reach.struck);
    let (calls, faults) = (reach.calls, reach.struck.values().sum::<u64>());
    println!(
        "{count} seeds from {first} {what}, {calls} provider calls, {faults} faults, {} failed: {failures:?}",
        failures.len()
    );
    assert!(failures.is_empty(), "{} of {count} seeds failed", failures.len());
    assert!(count < MANY || unstruck.is_empty(), "{count} seeds and never a fault of these kinds: {unstruck:?}");
    reach
}

#[test]
fn devices_converge_and_nothing_is_lost() {
    let seeds = spread::wanted("VAULTFS_SIM_SEED", "VAULTFS_SIM_SEEDS", 50);
    let (first, count) = (seeds.start, seeds.end - seeds.start);
    let mut reach = run_all("without filters", seeds, Scenario::of);
    let some = first..first + count.div_ceil(3);
    reach.add(run_all("with filters", some, |seed| Scenario::of(seed).with_filters()));
    if count >= 50 {
        let missed: Vec<_> = WANTED.iter().filter(|cell| !reach.cells.contains_key(*cell)).collect();
        assert!(missed.is_empty(), "never reached: {missed:?}");
    }
}
