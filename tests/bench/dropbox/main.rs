//! Benchmarks of a vault in Dropbox: vaultfs and rclone, both mounted on the same simulated account in one run, over the same link.
//! Prints medians of interleaved rounds and their ratio; asserts nothing about times. `scripts/bench.sh dropbox` runs it.
//!
//! Arguments: `[--vaultfs PROGRAM] [--rclone PROGRAM] [--rounds N] [--scale SHARE] [--entries N] [--files N] [--wav MIB] [--rtt MS] [--bandwidth MIB]
//! [--only NAME] [--json FILE]`. The scale is a share of the full sizes, such as 0.1; a size that is named is taken as it is.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its result and stops at trouble")]

#[path = "../../support/proxy.rs"]
#[allow(dead_code, reason = "each program uses its part of it")]
mod proxy;
mod rows;
mod sides;
mod table;
mod world;

use std::path::PathBuf;
use std::time::Duration;

use world::World;

/// What is measured, and how much of it.
pub(crate) struct Settings {
    vaultfs: PathBuf,
    rclone: Option<PathBuf>,
    rounds: usize,
    /// Entries of the large folder.
    entries: u64,
    /// Small files that are saved at once.
    files: usize,
    /// Length of the file that is read in order.
    sequential: u64,
    /// Length of the file that is read here and there.
    wav: u64,
    /// Reads of it.
    reads: usize,
    round_trip: Duration,
    /// Bytes a second of the link.
    bandwidth: u64,
    only: Option<String>,
    json: Option<PathBuf>,
}

const MIB: u64 = 1024 * 1024;

fn settings() -> Option<Settings> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench").peekable();
    arguments.peek()?;
    let (mut scale, mut entries, mut files, mut wav) = (1.0, None, None, 2048);
    let mut settings = Settings {
        vaultfs: env!("CARGO_BIN_EXE_vaultfs").into(),
        rclone: None,
        rounds: 3,
        entries: 0,
        files: 0,
        sequential: 0,
        wav: 0,
        reads: 0,
        round_trip: Duration::from_millis(50),
        bandwidth: 20 * MIB,
        only: None,
        json: None,
    };
    while let Some(argument) = arguments.next() {
        let value = arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        let number = || value.parse::<u64>().unwrap_or_else(|_| panic!("{argument} {value}: a number is expected"));
        match argument.as_str() {
            "--vaultfs" => settings.vaultfs = value.into(),
            "--rclone" => settings.rclone = Some(value.into()),
            "--rounds" => settings.rounds = usize::try_from(number().max(1)).unwrap(),
            "--scale" => scale = value.parse::<f64>().expect("--scale SHARE"),
            "--entries" => entries = Some(number()),
            "--files" => files = Some(number()),
            "--wav" => wav = number(),
            "--rtt" => settings.round_trip = Duration::from_millis(number()),
            "--bandwidth" => settings.bandwidth = number() * MIB,
            "--only" => settings.only = Some(value),
            "--json" => settings.json = Some(value.into()),
            _ => panic!("unknown argument {argument}"),
        }
    }
    let scaled = |full: u32| Duration::from_secs(full.into()).mul_f64(scale).as_secs().max(10);
    settings.entries = entries.unwrap_or_else(|| scaled(100_000));
    settings.files = usize::try_from(files.unwrap_or_else(|| scaled(2_000))).unwrap();
    settings.sequential = scaled(256) * MIB;
    settings.wav = wav * MIB;
    settings.reads = usize::try_from(scaled(256)).unwrap();
    Some(settings)
}

fn main() {
    let Some(settings) = settings() else {
        println!("nothing to measure: scripts/bench.sh dropbox runs this with what it needs");
        return;
    };
    let world = World::new(&settings);
    println!(
        "link of {} ms and {} MiB/s; {} entries, {} small files, {} MiB in order, {} reads of {} MiB; {} rounds",
        settings.round_trip.as_millis(),
        settings.bandwidth / MIB,
        settings.entries,
        settings.files,
        settings.sequential / MIB,
        settings.reads,
        settings.wav / MIB,
        settings.rounds
    );
    println!("{}", table::HEAD);
    let rows = rows::measure(&settings, &world);
    if let Some(path) = &settings.json {
        let rows: Vec<_> = rows.iter().map(table::Row::json).collect();
        let report = serde_json::json!({ "rounds": settings.rounds, "rows": rows });
        std::fs::write(path, serde_json::to_string_pretty(&report).unwrap()).unwrap();
    }
}
