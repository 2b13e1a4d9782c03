//! A provider that hangs: no call on the mount outlasts its bound, whoever waits for bytes can be killed, and nobody else waits. What
//! hangs is a simulated link whose every answer takes an hour.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::support::{Device, eventually};
use crate::system;

/// More than there are threads that answer the kernel: a single call that waits on one of them would be seen.
const READERS: usize = 12;
/// Besides the takes that somebody reads there are some that nobody does.
const TAKES: usize = READERS + 5;
const FILE_BYTES: usize = 4 << 20;
const ONE_HOUR_MS: u64 = 3_600_000;
/// A call that takes this long hangs.
const HANGS: Duration = Duration::from_secs(40);

/// A vault whose names are known and of whose bytes only `warm.wav` is here; from now on its provider hangs.
fn stalled(device: &Device, bound: &str) -> PathBuf {
    let remote = device.path("remote");
    fs::create_dir(remote.join("audio")).unwrap();
    for take in 0..TAKES {
        fs::write(remote.join(format!("audio/take {take}.wav")), vec![7; FILE_BYTES]).unwrap();
    }
    fs::write(remote.join("warm.wav"), vec![5; 300_000]).unwrap();
    let shown = remote.to_str().unwrap();
    device.ok(["vault", "add", "vault", "--provider", "local", "--path", shown, "--link-latency", "1"]);
    device.ok(["config", "set", "fetch.timeout", bound]);
    let mnt = device.mount();
    eventually("the names arrive", || fs::read_dir(mnt.join("audio")).is_ok_and(|takes| takes.count() == TAKES));
    assert_eq!(fs::read(mnt.join("warm.wav")).unwrap(), vec![5; 300_000]);
    device.wait_synced();

    device.ok(["daemon", "stop"]);
    let registry = device.path("config/vaultfs/vaults.json");
    let mut vaults: serde_json::Value = serde_json::from_slice(&fs::read(&registry).unwrap()).unwrap();
    vaults["vaults"][0]["vaultfs"]["link"]["latency_ms"] = ONE_HOUR_MS.into();
    fs::write(&registry, vaults.to_string()).unwrap();
    device.mount()
}

/// The first letter of a process's or thread's state: D is a sleep that not every signal ends.
fn state_of(stat: &Path) -> Option<char> {
    fs::read_to_string(stat).ok()?.rsplit_once(") ")?.1.chars().next()
}

fn is_in_kernel(child: &Child) -> bool {
    state_of(&PathBuf::from(format!("/proc/{}/stat", child.id()))) == Some('D')
}

/// In which function of the kernel a process sleeps.
fn is_waiting_for(child: &Child, function: &str) -> bool {
    fs::read_to_string(format!("/proc/{}/wchan", child.id())).is_ok_and(|place| place == function)
}

/// A take that nobody reads.
fn cold(mnt: &Path) -> PathBuf {
    mnt.join(format!("audio/take {}.wav", TAKES - 1))
}

/// Programs that read one cold file each, once all of them wait for bytes.
fn waiting_readers(mnt: &Path) -> Vec<Child> {
    let read = |take| {
        let mut cat = Command::new("cat");
        cat.arg(mnt.join(format!("audio/take {take}.wav"))).stdout(Stdio::null()).stderr(Stdio::null());
        cat.spawn().unwrap()
    };
    let readers: Vec<Child> = (0..READERS).map(read).collect();
    eventually("every reader waits", || readers.iter().all(is_in_kernel));
    readers
}

/// Runs something that must not hang, somewhere where it can.
fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = channel();
    let worker = std::thread::spawn(move || drop(done.send(work())));
    outcome.recv_timeout(HANGS).unwrap_or_else(|_| match worker.is_finished() {
        true => std::panic::resume_unwind(worker.join().unwrap_err()),
        false => panic!("{what} hangs"),
    })
}

/// Kills a process as nothing can refuse, and waits until it is gone.
fn kill(mut child: Child) {
    child.kill().unwrap();
    in_time("a killed reader", move || child.wait().unwrap());
}

/// Every kind of call that needs no bytes of the provider.
fn every_other_call(mnt: &Path) {
    let (audio, ours) = (mnt.join("audio"), mnt.join("ours"));
    let cold = audio.join("take 3.wav");
    assert_eq!(fs::metadata(&cold).unwrap().len(), FILE_BYTES as u64);
    assert_eq!(fs::metadata(audio.join("absent")).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(fs::read_dir(&audio).unwrap().count(), TAKES);
    rustix::fs::access(&cold, rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK).unwrap();
    assert!(rustix::fs::statvfs(mnt).unwrap().f_bavail > 0);

    // Names and attributes of what only the provider has.
    let opened = OpenOptions::new().read(true).write(true).open(&cold).unwrap();
    assert_eq!(system::seek(&opened, 100, libc::SEEK_DATA).unwrap(), 100);
    assert_eq!(system::seek(&opened, 100, libc::SEEK_HOLE).unwrap(), i64::try_from(FILE_BYTES).unwrap());
    opened.lock().unwrap();
    opened.sync_all().unwrap();
    opened.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    fs::set_permissions(&cold, fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::chown(&cold, None, None).unwrap();
    system::set_xattr(&cold, "user.tag", b"urgent", 0).unwrap();
    assert_eq!(system::xattr(&cold, "user.tag").unwrap(), b"urgent");
    for answer in ["user.vaultfs.status", "user.vaultfs.local", "user.vaultfs.cloud", "user.vaultfs.vault"] {
        system::xattr(&cold, answer).unwrap();
    }
    fs::rename(&cold, audio.join("moved.wav")).unwrap();
    system::rename(&audio.join("moved.wav"), &audio.join("take 4.wav"), libc::RENAME_EXCHANGE).unwrap();
    fs::rename(&audio, mnt.join("sound")).unwrap();
    fs::rename(mnt.join("sound"), &audio).unwrap();
    fs::remove_file(audio.join("take 5.wav")).unwrap();
    drop(opened);

    // A whole block, and cutting to nothing, replace bytes that nobody has to see first. (The kernel splits a write whose memory has not
    // been touched yet.)
    let block = vec![1; 65_536];
    let quiet = |nth| audio.join(format!("take {}.wav", READERS + nth));
    OpenOptions::new().write(true).open(quiet(0)).unwrap().write_all_at(&block, 65_536).unwrap();
    fs::write(quiet(1), "anew").unwrap();
    system::truncate(&quiet(2), 0).unwrap();
    fs::rename(quiet(2), quiet(3)).unwrap();

    // Work of our own.
    fs::create_dir(&ours).unwrap();
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(ours.join("file")).unwrap();
    file.write_all_at(&[9; 200_000], 0).unwrap();
    system::fallocate(&file, 0, 0, 300_000).unwrap();
    file.set_len(100_000).unwrap();
    file.sync_all().unwrap();
    let mut bytes = vec![0; 100_000];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, vec![9; 100_000]);
    drop(file);
    std::os::unix::fs::symlink("file", ours.join("link")).unwrap();
    assert_eq!(fs::read_link(ours.join("link")).unwrap(), Path::new("file"));
    fs::copy(ours.join("file"), ours.join("copy")).unwrap();
    fs::rename(ours.join("copy"), ours.join("file")).unwrap();
    File::open(&ours).unwrap().sync_all().unwrap();
    fs::remove_dir_all(&ours).unwrap();

    // Bytes that are here are read from the daemon, not from the kernel's memory.
    let warm = File::open(mnt.join("warm.wav")).unwrap();
    rustix::fs::fadvise(&warm, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    let mut bytes = vec![0; 300_000];
    warm.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, vec![5; 300_000]);
}

#[test]
fn nobody_else_waits_and_whoever_waits_can_be_killed() {
    let device = Device::new("stalled");
    // Longer than the test: nothing here ends because its time is over.
    let mnt = stalled(&device, "1h");
    let mut readers = waiting_readers(&mnt);
    let place = mnt.clone();
    in_time("a call that needs no bytes", move || every_other_call(&place));
    // The pages of a reader cannot be dropped while it waits. Changes of names are told to the kernel nevertheless.
    device.ok(["evict", mnt.join("audio/take 0.wav").to_str().unwrap()]);
    for reader in &mut readers {
        assert_eq!(reader.try_wait().unwrap(), None, "the readers wait all the while");
    }
    let refused = device.run(["unmount".as_ref(), mnt.as_os_str()]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("in use"), "{refused:?}");
    let daemon = device.daemon_pid();
    readers.into_iter().for_each(kill);
    // The kernel still has a request of each dead reader under way, and would wait for its pages.
    let gone = mnt.join("audio/take 1.wav");
    in_time("deleting a file whose reader was killed", move || fs::remove_file(gone).unwrap());
    for (waits, script) in [
        (
            "for a direct read",
            format!("exec dd if='{}' iflag=direct of=/dev/null bs=4096 count=1", cold(&mnt).display()),
        ),
        (
            "to write a part",
            format!("exec dd if=/dev/zero of='{}' bs=1 count=1 seek=70000 conv=notrunc", cold(&mnt).display()),
        ),
        ("to cut", format!("exec truncate -s 70001 '{}'", cold(&mnt).display())),
    ] {
        let waiting = Command::new("sh").arg("-c").arg(script).stderr(Stdio::null()).spawn().unwrap();
        eventually(waits, || is_waiting_for(&waiting, "request_wait_answer"));
        kill(waiting);
    }
    eventually("no thread of the daemon is stuck in the kernel", || {
        let mut threads = fs::read_dir(format!("/proc/{daemon}/task")).unwrap();
        !threads.any(|thread| state_of(&thread.unwrap().path().join("stat")) == Some('D'))
    });
    device.ok(["unmount".as_ref(), mnt.as_os_str()]);
    assert_eq!(fs::read_dir(&mnt).unwrap().count(), 0, "unmounted");
    device.ok(["daemon", "stop"]);
}

#[test]
fn a_wait_for_bytes_ends_with_an_error_at_its_bound() {
    let device = Device::new("stalled");
    let mnt = stalled(&device, "1s");
    let calls = move || {
        let open = |take: usize, flags| {
            let path = mnt.join(format!("audio/take {take}.wav"));
            OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).unwrap()
        };
        let file = open(1, 0);
        let buffer = vec![0; 8192];
        let aligned = buffer.as_ptr().align_offset(4096);
        let mut page = buffer;
        for refused in [
            file.read_exact_at(&mut [0; 10], 0),
            file.read_exact_at(&mut [0; 10], 2 << 20),
            file.write_all_at(b"a part of a block", 3 << 20),
            file.set_len((2 << 20) + 1),
            system::fallocate(&file, libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE, 5, 10),
            open(2, libc::O_DIRECT).read_exact_at(&mut page[aligned..aligned + 4096], 0),
            fs::copy(mnt.join("audio/take 3.wav"), mnt.join("copy")).map(|_| ()),
        ] {
            assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::ETIMEDOUT));
        }
        assert_eq!(file.metadata().unwrap().len(), FILE_BYTES as u64, "what failed changed nothing");
    };
    in_time("a wait for bytes", calls);
}

#[test]
fn the_death_of_the_daemon_ends_every_wait() {
    let device = Device::new("stalled");
    let mnt = stalled(&device, "1h");
    let readers = waiting_readers(&mnt);
    device.kill_daemon();
    for mut reader in readers {
        let status = in_time("a reader whose daemon is dead", move || reader.wait().unwrap());
        assert!(!status.success(), "it read what nobody sent");
    }
}

#[test]
fn a_stop_does_not_wait_for_readers_that_wait() {
    let device = Device::new("stalled");
    let mnt = stalled(&device, "1h");
    let readers = waiting_readers(&mnt);
    device.ok(["daemon", "stop"]);
    assert_eq!(fs::read_dir(&mnt).unwrap().count(), 0, "unmounted");
    for mut reader in readers {
        let status = in_time("a reader whose daemon is gone", move || reader.wait().unwrap());
        assert!(!status.success());
    }
}
