//! Generated cases against the invariants (CanopyCheck style): one tree, perturbed twice, planned and executed to the end.
//!
//! `VAULTFS_PLANNER_CASES` sets how many, `VAULTFS_PLANNER_SEED` where to begin; `scripts/simulate.sh planner` sets both.

use std::collections::BTreeMap;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::generators::Case;
use super::runner::{Report, run};

/// Seeds that found something once. They run first.
const FOUND: &[u64] = &[
    89, 112, 281, 377, 979, 1098, 1189, 6189, 10741, 10773, 11095, 14108, 15249, 19168, 22671, 23086, 24407, 26534,
    29895, 31696, 42047, 44190, 66281, 72108, 77681, 330505, 519600, 557050, 566147, 709089, 725476, 922279, 976295,
    1470592, 1757722, 1774755, 2248956, 2447866, 2552723, 40234850, 40471506,
];

/// What every run must go through: both tables, creations, and the rules.
const CELLS: &[&str] = &[
    "file - x -",
    "file - x E",
    "file - x M",
    "file - x ME",
    "file - x D",
    "file E x -",
    "file E x E",
    "file E x M",
    "file E x ME",
    "file E x D",
    "file M x -",
    "file M x E",
    "file M x M",
    "file M x ME",
    "file M x D",
    "file ME x -",
    "file ME x E",
    "file ME x M",
    "file ME x ME",
    "file ME x D",
    "file D x -",
    "file D x E",
    "file D x M",
    "file D x ME",
    "file D x D",
    "dir - x -",
    "dir - x M",
    "dir - x D",
    "dir M x -",
    "dir M x M",
    "dir M x D",
    "dir D x -",
    "dir D x M",
    "dir D x D",
    "C x -",
    "- x C",
    "C x C different",
    "C x C equal",
    "C x C folders",
    "name: collision",
    "rule 1: edit inside a deleted folder",
    "rule 2: created or moved into a deleted folder",
    "rule 3: moved out of a deleted folder",
    "rule 4: kind change is two nodes",
    "rule 5: cycle by concurrent moves",
    "rule 6: a move into a deleted folder revives it",
    "rule 7: swap or rotation of names",
    "rule 8: deleted and made again is two nodes",
    "rule 9: root missing, nothing is done",
];

const CASES: u64 = 20_000;

#[test]
fn every_case_ends_well() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let cases = number("VAULTFS_PLANNER_CASES").unwrap_or(CASES);
    let first = number("VAULTFS_PLANNER_SEED").unwrap_or(0);
    let mut cells: BTreeMap<&'static str, u64> = BTreeMap::new();
    let (mut most_rounds, mut steps) = (0, 0);
    for seed in FOUND.iter().copied().chain(first..first + cases) {
        let report = run_or_explain(seed);
        most_rounds = most_rounds.max(report.rounds);
        steps += report.steps;
        for (cell, count) in report.cells {
            *cells.entry(cell).or_default() += count;
        }
    }
    let mut out = std::io::stdout().lock();
    let mut say = |line: String| writeln!(out, "{line}").expect("standard output");
    say(format!("{cases} cases, seeds {first}..{}, {steps} steps, at most {most_rounds} rounds", first + cases));
    for (cell, count) in &cells {
        say(format!("{count:>10}  {cell}"));
    }
    // A run that goes nowhere proves nothing: a million cases pass each cell a thousand times.
    let thin = |cell: &&&str| cells.get(**cell).copied().unwrap_or_default() < cases / 1000;
    let missed: Vec<_> = CELLS.iter().filter(thin).collect();
    assert!(missed.is_empty(), "too few cases went through {missed:?}");
}

/// A filter that comes after both sides have changed, and goes when nothing more is planned: in between nothing that it leaves out is sent or
/// deleted at the provider, and in the end all is as if it had never been.
#[test]
fn every_case_ends_well_though_a_filter_comes_and_goes() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let cases = number("VAULTFS_PLANNER_CASES").unwrap_or(CASES) / 2;
    let first = number("VAULTFS_PLANNER_SEED").unwrap_or(0);
    let mut left_out = 0;
    for seed in FOUND.iter().copied().chain(first..first + cases) {
        let report = explained(seed, Case { filtered: true, ..Case::generate(seed) });
        left_out += report.cells.get("left out").copied().unwrap_or_default();
    }
    assert!(left_out > cases, "too few nodes were left out: {left_out}");
}

fn run_or_explain(seed: u64) -> Report {
    explained(seed, Case::generate(seed))
}

fn explained(seed: u64, case: Case) -> Report {
    match attempt(&case) {
        Ok(report) => report,
        Err(why) => {
            let small = shrink(case);
            let mut trace = String::new();
            let why_small = catch_unwind(AssertUnwindSafe(|| run(&small, Some(&mut trace)).err()));
            panic!(
                "seed {seed}: {why}\nshrunk: {why_small:?}\n{small:?}\n{trace}\n\
                 replay: scripts/simulate.sh planner --seed {seed}"
            );
        }
    }
}

fn attempt(case: &Case) -> Result<Report, String> {
    catch_unwind(|| run(case, None)).unwrap_or_else(|_| Err("the planner panicked".into()))
}

/// Leaves out whatever the failure does not need.
fn shrink(mut case: Case) -> Case {
    while let Some(smaller) = case.smaller().into_iter().find(|smaller| attempt(smaller).is_err()) {
        case = smaller;
    }
    case
}
