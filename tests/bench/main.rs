//! Benchmarks: the same work on a folder of the disk below and on mounts, interleaved in one run. Prints medians and their ratio to
//! the native side (1.00 = as fast, 2.00 = twice as slow); asserts nothing. `scripts/bench.sh` prepares the folders and runs it.
//!
//! Arguments: `[--json FILE] [--rounds N] [--scale N] NAME=DIR NAME=DIR ...`, the first being the native side.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its result and stops at trouble")]

mod work;

use std::path::PathBuf;
use std::time::Duration;

/// A folder under measurement.
pub(crate) struct Side {
    name: String,
    dir: PathBuf,
}

struct Settings {
    sides: Vec<Side>,
    rounds: usize,
    scale: usize,
    json: Option<PathBuf>,
}

fn settings() -> Settings {
    let mut settings = Settings { sides: Vec::new(), rounds: 5, scale: 1, json: None };
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--rounds" => settings.rounds = value().parse().expect("--rounds N"),
            "--scale" => settings.scale = value().parse().expect("--scale N"),
            "--json" => settings.json = Some(value().into()),
            _ => {
                let (name, dir) = argument.split_once('=').unwrap_or_else(|| panic!("{argument}: NAME=DIR"));
                settings.sides.push(Side { name: name.to_owned(), dir: dir.into() });
            }
        }
    }
    settings
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn main() {
    let settings = settings();
    let Some(native) = settings.sides.first() else {
        println!("nothing to measure: scripts/bench.sh runs this with the folders to compare");
        return;
    };
    println!(
        "{:<22}{:>14}{}",
        "",
        format!("{} (ms)", native.name),
        settings.sides[1..].iter().map(|side| format!("{:>14}", side.name)).collect::<String>()
    );
    let mut rows = Vec::new();
    for workload in work::all(settings.scale) {
        for side in &settings.sides {
            (workload.prepare)(&side.dir);
        }
        let mut times = vec![Vec::new(); settings.sides.len()];
        for _ in 0..settings.rounds {
            for (side, times) in settings.sides.iter().zip(&mut times) {
                times.push((workload.run)(&side.dir));
            }
        }
        for side in &settings.sides {
            (workload.clean)(&side.dir);
        }
        let medians: Vec<f64> = times.into_iter().map(|times| median(times).as_secs_f64()).collect();
        let ratios: Vec<f64> = medians[1..].iter().map(|time| time / medians[0]).collect();
        let shown: String = ratios.iter().map(|ratio| format!("{ratio:>14.2}")).collect();
        println!("{:<22}{:>14.2}{shown}", workload.name, medians[0] * 1000.0);
        let named: serde_json::Map<String, serde_json::Value> =
            settings.sides[1..].iter().zip(&ratios).map(|(side, ratio)| (side.name.clone(), (*ratio).into())).collect();
        rows.push(serde_json::json!({ "workload": workload.name, "native_seconds": medians[0], "ratios": named }));
    }
    if let Some(path) = settings.json {
        let report = serde_json::json!({ "rounds": settings.rounds, "scale": settings.scale, "rows": rows });
        std::fs::write(path, serde_json::to_string_pretty(&report).expect("a report is JSON"))
            .expect("the report is written");
    }
}
