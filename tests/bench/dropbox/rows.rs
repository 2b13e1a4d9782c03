//! The measurements, in the order of the table. Rounds of both sides are interleaved; what is read cold is another file in every
//! round, and both sides read the same one.

use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Settings;
use crate::sides::{PATIENCE, Rclone, Side, Vaultfs, eventually};
use crate::table::{Row, median, milliseconds};
use crate::world::{FIRST_BYTES, LARGE_FOLDER, World, cold};

/// Longest wait for a change that the peer may show only when it looks again.
const LONGEST_LOOK: Duration = Duration::from_secs(120);
const SMALL_BYTES: usize = 4096;

/// A part of the table, by the name that `--only` looks for.
type Part<'a> = (&'static str, fn(&mut Bench<'a>));

/// What is measured on.
struct Bench<'a> {
    settings: &'a Settings,
    world: &'a World,
    vaultfs: Vaultfs,
    rclone: Option<Rclone>,
    rows: Vec<Row>,
}

/// Measures everything that was asked for; prints each row when it is there.
pub(crate) fn measure<'a>(settings: &'a Settings, world: &'a World) -> Vec<Row> {
    let vaultfs = Vaultfs::new(world, &settings.vaultfs);
    let rclone = settings.rclone.as_deref().map(|program| Rclone::new(world, program));
    let mut bench = Bench { settings, world, vaultfs, rclone, rows: Vec::new() };
    bench.names_for_the_first_time();
    let parts: [Part<'a>; 6] = [
        ("listing", Bench::listing),
        ("first", Bench::first_byte),
        ("sequential", Bench::sequential),
        ("random", Bench::random),
        ("edit", Bench::remote_edit),
        ("uploads", Bench::uploads),
    ];
    for (name, part) in parts {
        if settings.only.as_ref().is_none_or(|only| name.contains(only.as_str())) {
            part(&mut bench);
        }
    }
    bench.rows
}

impl Bench<'_> {
    fn row(&mut self, name: &'static str, unit: &'static str, target: Option<f64>, figures: [Vec<f64>; 2]) {
        let [vaultfs, rclone] = figures;
        let rclone = (!rclone.is_empty()).then(|| median(rclone));
        let row = Row { name, unit, target, vaultfs: median(vaultfs), rclone };
        println!("{row}");
        self.rows.push(row);
    }

    /// One figure of each side in each round.
    fn rounds(&mut self, mut run: impl FnMut(&mut dyn Side, usize) -> f64) -> [Vec<f64>; 2] {
        let mut figures = [Vec::new(), Vec::new()];
        for round in 0..self.settings.rounds {
            figures[0].push(run(&mut self.vaultfs, round));
            if let Some(rclone) = &mut self.rclone {
                figures[1].push(run(rclone, round));
            }
        }
        figures
    }

    /// From nothing: the program starts, and knows nothing of the account.
    fn names_for_the_first_time(&mut self) {
        let entries = self.settings.entries;
        let started = Instant::now();
        self.vaultfs.mount();
        until_listed(self.vaultfs.mnt(), entries);
        let own = milliseconds(started.elapsed());
        let peer = self.rclone.as_mut().map(|rclone| {
            let started = Instant::now();
            rclone.mount();
            until_listed(rclone.mnt(), entries);
            milliseconds(started.elapsed())
        });
        self.vaultfs.settle();
        self.row("names of a folder, first time", "ms", None, [vec![own], peer.into_iter().collect()]);
    }

    /// The program has just started; it may keep what it knows.
    fn listing(&mut self) {
        let entries = self.settings.entries;
        let mut memory = [Vec::new(), Vec::new()];
        let mut at = 0;
        let figures = self.rounds(|side, _| {
            side.restart();
            let started = Instant::now();
            until_listed(side.mnt(), entries);
            let took = milliseconds(started.elapsed());
            memory[at % 2].push(side.memory() / f64::from(1 << 20));
            at += 1;
            took
        });
        if self.rclone.is_none() {
            let [own, other] = &mut memory;
            own.append(other);
        }
        let target = (!figures[1].is_empty()).then(|| median(figures[1].clone()) * 0.1);
        self.row("listing, program just started", "ms", target, figures);
        self.row("memory after it", "MiB", Some(64.0), memory);
    }

    fn first_byte(&mut self) {
        let world = self.world;
        warm_names(self);
        let mut requests = Vec::new();
        let figures = self.rounds(|side, round| {
            let path = cold("first", round);
            requests.push(milliseconds(world.ranged_request(&path)));
            let started = Instant::now();
            let file = File::open(side.mnt().join(path)).unwrap();
            let mut buffer = vec![1; FIRST_BYTES];
            file.read_exact_at(&mut buffer, 0).unwrap();
            milliseconds(started.elapsed())
        });
        let target = median(requests) * 1.2;
        self.row("first 64 KiB of a cold file", "ms", Some(target), figures);
    }

    fn sequential(&mut self) {
        let (world, length) = (self.world, self.settings.sequential);
        warm_names(self);
        let figures = self.rounds(|side, round| {
            let file = File::open(side.mnt().join(cold("sequential", round))).unwrap();
            let took = world.behind_the_link(|| {
                let started = Instant::now();
                let mut buffer = vec![1; 1 << 20];
                for at in (0..length).step_by(1 << 20) {
                    file.read_exact_at(&mut buffer, at).unwrap();
                }
                black_box(&buffer);
                started.elapsed()
            });
            took.as_secs_f64() / world.link_time(length).as_secs_f64()
        });
        self.row("cold sequential read / link", "x", Some(1.05), figures);
    }

    fn random(&mut self) {
        let (world, length, reads) = (self.world, self.settings.wav, self.settings.reads);
        warm_names(self);
        let (mut typical, mut longest) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        let has_peer = self.rclone.is_some();
        let mut at = 0;
        let figures = self.rounds(|side, round| {
            world.sim.log().clear();
            let file = File::open(side.mnt().join(cold("random", round))).unwrap();
            let mut times = world.behind_the_link(|| read_here_and_there(&file, length, reads));
            drop(file);
            times.sort_by(f64::total_cmp);
            let index = if has_peer { at % 2 } else { 0 };
            typical[index].push(times[times.len() / 2]);
            longest[index].push(times[times.len() - 1]);
            at += 1;
            // Bytes that are on the way when the last read returns were asked for, too.
            let fetched = settled(|| world.fetched());
            fetched as f64 / (reads * FIRST_BYTES) as f64
        });
        self.row("random 64 KiB reads: fetched / read", "x", Some(4.0), figures);
        self.row("one of them, median", "ms", None, typical);
        let stall = milliseconds(world.link_time(1 << 20));
        self.row("one of them, longest", "ms", Some(stall), longest);
    }

    fn remote_edit(&mut self) {
        let world = self.world;
        let round_trip = milliseconds(self.settings.round_trip);
        let mut text = 0;
        let figures = self.rounds(|side, _| {
            let path = side.mnt().join("edited.json");
            black_box(fs::read(&path).unwrap());
            text += 1;
            let expected = format!("edit {text:09}");
            let started = Instant::now();
            world.web().write(&World::remote("edited.json"), expected.as_bytes()).unwrap();
            // Shown with its new length and bytes, whoever opens it.
            while fs::read(&path).unwrap_or_default() != expected.as_bytes() {
                if started.elapsed() > LONGEST_LOOK {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            milliseconds(started.elapsed())
        });
        // The answer to the long poll travels, the changes are asked for, and the bytes are read.
        self.row("remote edit to its bytes in the mount", "ms", Some(3.0 * round_trip + 50.0), figures);
    }

    fn uploads(&mut self) {
        let (world, files) = (self.world, self.settings.files);
        let mut calls = [Vec::new(), Vec::new()];
        let has_peer = self.rclone.is_some();
        let mut at = 0;
        let figures = self.rounds(|side, round| {
            let folder = format!("saved {at} in round {round}");
            let index = if has_peer { at % 2 } else { 0 };
            at += 1;
            world.sim.log().clear();
            let started = Instant::now();
            fs::create_dir(side.mnt().join(&folder)).unwrap();
            for number in 0..files {
                fs::write(side.mnt().join(&folder).join(format!("{number}.json")), [b'x'; SMALL_BYTES]).unwrap();
            }
            for number in 0..files {
                let path = World::remote(&format!("{folder}/{number}.json"));
                eventually(&path, || world.web().item(&path).is_some());
            }
            let took = milliseconds(started.elapsed());
            calls[index].push(world.calls() as f64);
            took
        });
        self.row("small files saved, until in the cloud", "ms", None, figures);
        self.row("calls for them", "calls", None, calls);
    }
}

/// Everybody knows where the cold files are.
fn warm_names(bench: &Bench<'_>) {
    let sides = [Some(bench.vaultfs.mnt()), bench.rclone.as_ref().map(Side::mnt)];
    for mnt in sides.into_iter().flatten() {
        let expected = bench.settings.rounds * 3;
        eventually("the cold files are shown", || {
            fs::read_dir(mnt.join("cold")).is_ok_and(|entries| entries.count() == expected)
        });
    }
}

fn until_listed(mnt: &Path, entries: u64) {
    let folder = mnt.join(LARGE_FOLDER);
    let last = folder.join(format!("file {:07}.json", entries - 1));
    let started = Instant::now();
    let count = || fs::read_dir(&folder).map_or(0, |entries| entries.count() as u64);
    // Whoever knows the folder only in part is not asked for all of it again and again.
    while count() != entries {
        eventually("the last of the entries is there", || last.symlink_metadata().is_ok());
        assert!(started.elapsed() < PATIENCE, "{} of {entries} entries", count());
    }
}

/// Milliseconds of each read.
fn read_here_and_there(file: &File, length: u64, reads: usize) -> Vec<f64> {
    let mut buffer = vec![1; FIRST_BYTES];
    let mut at: u64 = 1;
    let mut times = Vec::new();
    for _ in 0..reads {
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let offset = (at >> 20) % (length / 4096 - 16) * 4096;
        let started = Instant::now();
        file.read_exact_at(&mut buffer, offset).unwrap();
        times.push(milliseconds(started.elapsed()));
    }
    black_box(&buffer);
    times
}

/// The figure when it no longer changes.
fn settled(figure: impl Fn() -> u64) -> u64 {
    let mut before = figure();
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = figure();
        if now == before {
            return now;
        }
        before = now;
    }
}
