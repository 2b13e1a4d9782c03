//! Generated cases against the invariants (CanopyCheck style): one tree, perturbed twice, planned and executed to the end.
//!
//! `VAULTFS_PLANNER_CASES` sets how many, `VAULTFS_PLANNER_SEED` where to begin; `scripts/simulate.sh planner` sets both.

use std::collections::BTreeMap;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::generators::Case;
use super::runner::{Report, run};

/// Seeds that found something once.
const FOUND: &[u64] = &[];

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
}

fn run_or_explain(seed: u64) -> Report {
    let case = Case::generate(seed);
    match attempt(&case) {
        Ok(report) => report,
        Err(why) => {
            let small = shrink(case);
            let mut trace = String::new();
            let why_small = catch_unwind(AssertUnwindSafe(|| run(&small, Some(&mut trace)).err()));
            panic!(
                "seed {seed}: {why}\nshrunk: {why_small:?}\n{small:?}\n{trace}\n\
                 replay: VAULTFS_PLANNER_SEED={seed} VAULTFS_PLANNER_CASES=1 cargo test --test planner every_case"
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
