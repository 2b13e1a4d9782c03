//! The workloads. Each prepares a folder, runs and times its work, and cleans up; sizes are those at scale 1.

use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::files::{MIB, big_file, remove, small_files, tree, walk};

type Prepare = Box<dyn Fn(&Path)>;
type Run = Box<dyn Fn(&Path) -> Duration>;

/// One row of the table.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// What vaultfs should take at most, as a ratio to the disk below.
    pub(crate) at_most: Option<f64>,
    /// The kernel's caches are dropped before each run.
    pub(crate) is_cold: bool,
    pub(crate) prepare: Prepare,
    pub(crate) run: Run,
    pub(crate) clean: Prepare,
}

fn workload(name: &'static str, run: impl Fn(&Path) -> Duration + 'static) -> Workload {
    let nothing = || Box::new(|_: &Path| {});
    Workload { name, at_most: None, is_cold: false, prepare: nothing(), run: Box::new(run), clean: nothing() }
}

impl Workload {
    fn at_most(self, ratio: f64) -> Self {
        Self { at_most: Some(ratio), ..self }
    }

    fn cold(self) -> Self {
        Self { is_cold: true, ..self }
    }

    fn after(self, prepare: impl Fn(&Path) + 'static) -> Self {
        Self { prepare: Box::new(prepare), ..self }
    }

    fn then_remove(self, name: &'static str) -> Self {
        Self { clean: Box::new(move |dir| remove(dir, name)), ..self }
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

fn read_in_order(mib: usize) -> impl Fn(&Path) -> Duration {
    move |dir| {
        let file = File::open(dir.join("big")).unwrap();
        let mut buffer = vec![1; MIB];
        timed(|| {
            for at in 0..mib as u64 {
                file.read_exact_at(&mut buffer, at * MIB as u64).unwrap();
            }
            black_box(&buffer);
        })
    }
}

fn read_at_random(mib: usize, reads: usize) -> impl Fn(&Path) -> Duration {
    move |dir| {
        let file = File::open(dir.join("big")).unwrap();
        let mut buffer = vec![1; 4096];
        timed(|| {
            let mut at: u64 = 1;
            for _ in 0..reads {
                at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                file.read_exact_at(&mut buffer, (at >> 20) % (mib as u64 * 256) * 4096).unwrap();
            }
            black_box(&buffer);
        })
    }
}

fn write_in_order(mib: usize, sync: bool) -> impl Fn(&Path) -> Duration {
    move |dir| {
        let block = vec![7_u8; MIB];
        let time = timed(|| {
            let mut file = File::create(dir.join("written")).unwrap();
            for _ in 0..mib {
                file.write_all(&block).unwrap();
            }
            if sync {
                file.sync_all().unwrap();
            }
        });
        fs::remove_file(dir.join("written")).unwrap();
        time
    }
}

fn write_patches(dir: &Path) -> Duration {
    let file = OpenOptions::new().write(true).open(dir.join("big")).unwrap();
    timed(|| {
        for at in 0..50_u64 {
            file.write_all_at(&[9; 65_536], at * 1_000_003 % (63 << 20)).unwrap();
            file.sync_data().unwrap();
        }
    })
}

/// What a program does that saves a document: write beside it, make that durable, rename it over the old one.
fn save_document(dir: &Path) -> Duration {
    let (path, beside) = (dir.join("document.json"), dir.join("document.json.new"));
    let time = timed(|| {
        for at in 0..50_u32 {
            let mut file = File::create(&beside).unwrap();
            file.write_all(format!("{{\"version\":{at}}}").repeat(200).as_bytes()).unwrap();
            file.sync_all().unwrap();
            drop(file);
            fs::rename(&beside, &path).unwrap();
        }
    });
    remove(dir, "document.json");
    time
}

fn create_small(files: usize) -> impl Fn(&Path) -> Duration {
    move |dir| {
        let time = timed(|| small_files(dir, files));
        remove(dir, "small");
        time
    }
}

fn unlink_small(files: usize) -> impl Fn(&Path) -> Duration {
    move |dir| {
        small_files(dir, files);
        timed(|| fs::remove_dir_all(dir.join("small")).unwrap())
    }
}

fn read_small(files: usize) -> impl Fn(&Path) -> Duration {
    move |dir| {
        timed(|| {
            for at in 0..files {
                black_box(fs::read(dir.join(format!("small/file {at}"))).unwrap());
            }
        })
    }
}

fn stat_small(files: usize) -> impl Fn(&Path) -> Duration {
    move |dir| {
        timed(|| {
            for at in 0..files {
                black_box(fs::metadata(dir.join(format!("small/file {at}"))).unwrap().len());
            }
        })
    }
}

fn list_small(dir: &Path) -> Duration {
    timed(|| assert!(fs::read_dir(dir.join("small")).unwrap().count() > 0))
}

fn walk_tree(dir: &Path) -> Duration {
    timed(|| assert!(walk(&dir.join("tree")) > 0))
}

fn make_repository(dir: &Path) {
    let script = "cd tree && git init -q . && git add -A . && git -c user.name=b -c user.email=b@b commit -qm b && git status -s";
    assert!(Command::new("sh").arg("-c").arg(script).current_dir(dir).status().unwrap().success());
}

fn git_status(dir: &Path) -> Duration {
    timed(|| {
        let status = Command::new("git").args(["status", "-s"]).current_dir(dir.join("tree")).output().unwrap();
        assert!(status.status.success() && status.stdout.is_empty());
    })
}

/// Every workload, `scale` times as much of it. The bounds are those of a mount without passthrough.
pub(crate) fn all(scale: usize) -> Vec<Workload> {
    let (mib, files, folders) = (256 * scale, 2_000 * scale, 200 * scale);
    let with_big = move |mib: usize| move |dir: &Path| big_file(dir, mib);
    vec![
        workload("seqread_warm", read_in_order(mib)).after(with_big(mib)).at_most(1.5),
        workload("randread4k_warm", read_at_random(mib, 20_000)).at_most(1.5),
        workload("seqread_cold", read_in_order(mib)).cold(),
        workload("randread4k_cold", read_at_random(mib, 2_000)).cold().then_remove("big"),
        workload("seqwrite", write_in_order(mib / 2, false)),
        workload("seqwrite_fsync", write_in_order(mib / 2, true)),
        workload("patch64k_fsync", write_patches).after(with_big(64)).then_remove("big"),
        workload("save_document_fsync", save_document),
        workload("create_small", create_small(files)).at_most(2.5),
        workload("unlink_small", unlink_small(files)).at_most(2.5),
        workload("smallread_warm", read_small(files)).after(move |dir| small_files(dir, files)).at_most(5.0),
        workload("smallread_cold", read_small(files)).cold(),
        workload("stat_warm", stat_small(files)).at_most(1.2),
        workload("stat_cold", stat_small(files)).cold().at_most(1.5),
        workload("readdir_warm", list_small).at_most(1.2),
        workload("readdir_cold", list_small).cold().at_most(1.5).then_remove("small"),
        workload("treewalk_warm", walk_tree).after(move |dir| tree(dir, folders)).at_most(1.2),
        workload("treewalk_cold", walk_tree).cold().at_most(1.5),
        workload("git_status_warm", git_status).after(make_repository).at_most(1.2),
        workload("git_status_cold", git_status).cold().at_most(1.5).then_remove("tree"),
    ]
}
