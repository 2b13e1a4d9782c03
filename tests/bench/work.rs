//! The workloads. Each prepares a folder, runs and times its work, and cleans up; sizes are those at scale 1.

use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

type Prepare = Box<dyn Fn(&Path)>;
type Run = Box<dyn Fn(&Path) -> Duration>;

/// One row of the table.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) prepare: Prepare,
    pub(crate) run: Run,
    pub(crate) clean: Prepare,
}

const MIB: usize = 1024 * 1024;

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

fn big_file(dir: &Path, mib: usize) {
    // Incompressible enough, and touched before the clock starts: first-touched memory costs ten times the copy on virtual machines.
    let block: Vec<u8> =
        (0..MIB).map(|at| u8::try_from(at.wrapping_mul(2_654_435_761) >> 7 & 0xff).unwrap_or(0)).collect();
    let mut file = File::create(dir.join("big")).unwrap();
    for _ in 0..mib {
        file.write_all(&block).unwrap();
    }
    file.sync_all().unwrap();
    drop(file);
    black_box(fs::read(dir.join("big")).unwrap().len());
}

fn small_files(dir: &Path, count: usize) {
    let folder = dir.join("small");
    fs::create_dir_all(&folder).unwrap();
    for at in 0..count {
        fs::write(folder.join(format!("file {at}")), [b'x'; 4096]).unwrap();
    }
}

fn tree(dir: &Path, folders: usize) {
    for at in 0..folders {
        let folder = dir.join(format!("tree/{}/{}", at % 20, at));
        fs::create_dir_all(&folder).unwrap();
        for file in 0..10 {
            fs::write(folder.join(format!("{file}")), "x").unwrap();
        }
    }
}

fn walk(folder: &Path) -> u64 {
    let mut size = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        size += if metadata.is_dir() { walk(&entry.path()) } else { metadata.len() };
    }
    size
}

fn remove(name: &'static str) -> Prepare {
    Box::new(move |dir| {
        let path = dir.join(name);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else if path.exists() {
            fs::remove_file(path).unwrap();
        }
    })
}

/// Every workload, `scale` times as much of it.
pub(crate) fn all(scale: usize) -> Vec<Workload> {
    let (mib, files, folders) = (256 * scale, 2000 * scale, 200 * scale);
    let read_big = |random: bool| -> Run {
        Box::new(move |dir| {
            let file = File::open(dir.join("big")).unwrap();
            let mut buffer = vec![0; if random { 4096 } else { MIB }];
            let reads = if random { 20_000 } else { mib };
            timed(|| {
                let mut at: u64 = 1;
                for read in 0..reads as u64 {
                    at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let offset = if random { (at >> 20) % (mib as u64 * 256) * 4096 } else { read * MIB as u64 };
                    file.read_exact_at(&mut buffer, offset).unwrap();
                }
                black_box(&buffer);
            })
        })
    };
    let write_big = |sync: bool| -> Run {
        Box::new(move |dir| {
            let block = vec![7_u8; MIB];
            let time = timed(|| {
                let mut file = File::create(dir.join("written")).unwrap();
                for _ in 0..mib / 2 {
                    file.write_all(&block).unwrap();
                }
                if sync {
                    file.sync_all().unwrap();
                }
            });
            fs::remove_file(dir.join("written")).unwrap();
            time
        })
    };
    let with_big: fn(usize) -> Prepare = |mib| Box::new(move |dir| big_file(dir, mib));
    let nothing: fn() -> Prepare = || Box::new(|_| {});
    vec![
        Workload { name: "seqread_warm", prepare: with_big(mib), run: read_big(false), clean: nothing() },
        Workload { name: "randread4k_warm", prepare: nothing(), run: read_big(true), clean: remove("big") },
        Workload { name: "seqwrite", prepare: nothing(), run: write_big(false), clean: nothing() },
        Workload { name: "seqwrite_fsync", prepare: nothing(), run: write_big(true), clean: nothing() },
        Workload {
            name: "patch64k_fsync",
            prepare: with_big(64),
            run: Box::new(|dir| {
                let file = OpenOptions::new().write(true).open(dir.join("big")).unwrap();
                timed(|| {
                    for at in 0..50_u64 {
                        file.write_all_at(&[9; 65_536], at * 1_000_003 % (63 << 20)).unwrap();
                        file.sync_data().unwrap();
                    }
                })
            }),
            clean: remove("big"),
        },
        Workload {
            name: "create_small",
            prepare: nothing(),
            run: Box::new(move |dir| {
                let time = timed(|| small_files(dir, files));
                fs::remove_dir_all(dir.join("small")).unwrap();
                time
            }),
            clean: nothing(),
        },
        Workload {
            name: "unlink_small",
            prepare: nothing(),
            run: Box::new(move |dir| {
                small_files(dir, files);
                timed(|| fs::remove_dir_all(dir.join("small")).unwrap())
            }),
            clean: nothing(),
        },
        Workload {
            name: "smallread_warm",
            prepare: Box::new(move |dir| small_files(dir, files)),
            run: Box::new(move |dir| {
                timed(|| {
                    for at in 0..files {
                        black_box(fs::read(dir.join(format!("small/file {at}"))).unwrap());
                    }
                })
            }),
            clean: nothing(),
        },
        Workload {
            name: "stat_warm",
            prepare: nothing(),
            run: Box::new(move |dir| {
                timed(|| {
                    for at in 0..files {
                        black_box(fs::metadata(dir.join(format!("small/file {at}"))).unwrap().len());
                    }
                })
            }),
            clean: nothing(),
        },
        Workload {
            name: "readdir_warm",
            prepare: nothing(),
            run: Box::new(|dir| timed(|| assert!(fs::read_dir(dir.join("small")).unwrap().count() > 0))),
            clean: remove("small"),
        },
        Workload {
            name: "treewalk_warm",
            prepare: Box::new(move |dir| tree(dir, folders)),
            run: Box::new(|dir| timed(|| assert!(walk(&dir.join("tree")) > 0))),
            clean: nothing(),
        },
        Workload {
            name: "git_status_warm",
            prepare: Box::new(|dir| {
                let script = "cd tree && git init -q . && git add -A . && git -c user.name=b -c user.email=b@b commit -qm b && git status -s";
                assert!(Command::new("sh").arg("-c").arg(script).current_dir(dir).status().unwrap().success());
            }),
            run: Box::new(|dir| {
                timed(|| {
                    let status =
                        Command::new("git").args(["status", "-s"]).current_dir(dir.join("tree")).output().unwrap();
                    assert!(status.status.success() && status.stdout.is_empty());
                })
            }),
            clean: remove("tree"),
        },
    ]
}
