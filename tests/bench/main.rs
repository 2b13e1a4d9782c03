//! Benchmarks: the same work on a folder of the disk below and on mounts, interleaved in one run. Prints medians and their ratio to
//! the native side (1.00 = as fast, 2.00 = twice as slow); asserts nothing. `scripts/bench.sh` prepares the folders and runs it.
//!
//! Arguments: `[--json FILE] [--rounds N] [--scale N] [--only NAME] NAME=DIR NAME=DIR ...`, the first being the native side.
//! `--settle NAME=COMMAND` is run by the shell before each measurement on a side, so that none runs while the side before it still
//! sends what it has written.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its result and stops at trouble")]

mod caches;
mod files;
mod table;
mod work;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use table::{Row, Spread};

/// A folder under measurement.
pub(crate) struct Side {
    name: String,
    dir: PathBuf,
    /// Returns when the side has nothing left to do.
    settle: Option<String>,
}

impl Side {
    fn settle(&self) {
        let Some(command) = &self.settle else { return };
        let settled = Command::new("sh").arg("-c").arg(command).status().expect("a shell");
        assert!(settled.success(), "{command}: {settled}");
    }
}

struct Settings {
    sides: Vec<Side>,
    rounds: usize,
    scale: usize,
    only: Option<String>,
    json: Option<PathBuf>,
}

fn settings() -> Settings {
    let mut settings = Settings { sides: Vec::new(), rounds: 7, scale: 1, only: None, json: None };
    let mut settle = Vec::new();
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let pair = |text: &str| {
        let (name, value) = text.split_once('=').unwrap_or_else(|| panic!("{text}: NAME=VALUE"));
        (name.to_owned(), value.to_owned())
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--rounds" => settings.rounds = value().parse().expect("--rounds N"),
            "--scale" => settings.scale = value().parse().expect("--scale N"),
            "--json" => settings.json = Some(value().into()),
            "--only" => settings.only = Some(value()),
            "--settle" => settle.push(pair(&value())),
            _ => {
                let (name, dir) = pair(&argument);
                settings.sides.push(Side { name, dir: dir.into(), settle: None });
            }
        }
    }
    for side in &mut settings.sides {
        side.settle = settle.iter().find(|(name, _)| *name == side.name).map(|(_, command)| command.clone());
    }
    settings
}

fn main() {
    let settings = settings();
    if settings.sides.is_empty() {
        println!("nothing to measure: scripts/bench.sh runs this with the folders to compare");
        return;
    }
    if !caches::can_drop() {
        println!("cold rows are left out: only root may drop the kernel's caches");
    }
    println!("{}", table::head(&settings.sides));
    let mut rows = Vec::new();
    for workload in work::all(settings.scale) {
        let is_wanted = settings.only.as_ref().is_none_or(|only| workload.name.contains(only.as_str()));
        if !is_wanted || workload.is_cold && !caches::can_drop() {
            continue;
        }
        for side in &settings.sides {
            (workload.prepare)(&side.dir);
        }
        let mut times: Vec<Vec<Duration>> = vec![Vec::new(); settings.sides.len()];
        for _ in 0..settings.rounds {
            for (side, times) in settings.sides.iter().zip(&mut times) {
                side.settle();
                if workload.is_cold {
                    caches::drop_all();
                }
                times.push((workload.run)(&side.dir));
            }
        }
        for side in &settings.sides {
            (workload.clean)(&side.dir);
        }
        let row =
            Row { name: workload.name, at_most: workload.at_most, sides: times.into_iter().map(Spread::of).collect() };
        println!("{row}");
        rows.push(row);
    }
    if let Some(path) = settings.json {
        let rows: Vec<_> = rows.iter().map(|row| row.json(&settings.sides)).collect();
        let report = serde_json::json!({ "rounds": settings.rounds, "scale": settings.scale, "rows": rows });
        std::fs::write(path, serde_json::to_string_pretty(&report).expect("a report is JSON"))
            .expect("the report is written");
    }
}
