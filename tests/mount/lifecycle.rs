//! Mounting and unmounting, and what can be in the way.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use crate::support::{Device, eventually, kill, signal};
use crate::system::Mapping;

/// Runs a command that must fail, and returns what it said.
fn refused(device: &Device, arguments: &[&std::ffi::OsStr]) -> (i32, String) {
    let output = device.run(arguments);
    assert!(!output.status.success(), "vaultfs {arguments:?} succeeded");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_mountpoint_that_cannot_be_used_is_explained() {
    let device = Device::new("lifecycle");
    device.mount_local(&device.path("remote"));
    let (missing, file, full) = (device.path("missing"), device.path("config/a file"), device.path("full"));
    fs::write(&file, "").unwrap();
    fs::create_dir(&full).unwrap();
    fs::write(full.join("something"), "").unwrap();
    let second = device.path("second");
    fs::create_dir(&second).unwrap();
    let add = ["vault", "add", "second", "--provider", "local", "--path"].map(std::ffi::OsStr::new);
    device.ok(add.into_iter().chain([second.as_os_str()]));
    let mnt = device.mnt();
    for (dir, words) in [(&missing, "does not exist"), (&file, "not a folder"), (&full, "not empty"), (&mnt, "mount")] {
        let (_, text) = refused(&device, &["mount".as_ref(), "second".as_ref(), dir.as_os_str()]);
        assert!(
            text.starts_with("error:") && text.contains(words) && text.contains("hint:"),
            "{}: {text}",
            dir.display()
        );
    }
    let (_, text) = refused(&device, &["mount".as_ref(), "nobody's".as_ref(), device.path("cache").as_os_str()]);
    assert!(text.contains("nobody's") && text.contains("hint:"), "{text}");
}

#[test]
fn a_dead_mount_is_cleared_and_the_vault_is_there_again() {
    let device = Device::new("lifecycle");
    let mnt = device.mount_local(&device.path("remote"));
    fs::write(mnt.join("file"), "text").unwrap();
    device.kill_daemon();
    let started = Instant::now();
    assert!(fs::read_dir(&mnt).is_err(), "calls on a dead mount fail");
    assert!(started.elapsed() < Duration::from_secs(1));
    let mnt = device.mount();
    assert_eq!(fs::read_to_string(mnt.join("file")).unwrap(), "text");
}

#[test]
fn what_was_not_closed_when_the_daemon_was_killed_keeps_its_size_and_times() {
    let device = Device::new("lifecycle");
    let mnt = device.mount_local(&device.path("remote"));
    let (written, dated) = (mnt.join("written"), mnt.join("dated"));
    let old = SystemTime::UNIX_EPOCH + Duration::new(1_500_000_000, 42);
    let mut files = [&written, &dated].map(|path| File::create(path).unwrap());
    for file in &mut files {
        file.write_all(b"text").unwrap();
        // Stored, as if that had been all, and long ago.
        file.set_modified(old).unwrap();
    }
    let before = SystemTime::now() - Duration::from_secs(1);
    files[0].write_all(b" and more").unwrap();
    device.kill_daemon();
    drop(files);
    device.mount();
    let modified = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    assert_eq!(fs::read_to_string(&written).unwrap(), "text and more");
    assert!(modified(&written) >= before && modified(&written) <= SystemTime::now());
    assert_eq!(modified(&dated), old, "the time that it was given");
}

#[test]
fn a_killed_daemon_comes_back_by_itself_and_so_does_the_mount() {
    let device = Device::new("lifecycle");
    let mnt = device.mount_local(&device.path("remote"));
    fs::write(mnt.join("file"), "text").unwrap();
    for _ in 0..2 {
        let [supervisor, daemon] = device.daemon_processes();
        kill(daemon);
        // Nothing is asked of vaultfs: an application that tries again finds its files (promise P17).
        eventually("the mount answers again", || fs::read_to_string(mnt.join("file")).is_ok_and(|text| text == "text"));
        let [same, other] = device.daemon_processes();
        assert!(supervisor == same && daemon != other, "{supervisor} {daemon}, {same} {other}");
    }
    device.ok(["daemon", "stop"]);
    assert_eq!(fs::read_dir(&mnt).unwrap().count(), 0, "unmounted, and it stays so");
}

#[test]
fn a_crashed_daemon_that_is_told_to_stop_does_not_come_back() {
    let device = Device::new("lifecycle");
    device.mount_local(&device.path("remote"));
    let [supervisor, daemon] = device.daemon_processes();
    kill(daemon);
    // The supervisor waits a moment before it starts it again.
    let said = device.run(["daemon", "stop"]);
    assert!(said.status.success() || said.status.code() == Some(3), "{said:?}");
    let supervisor = std::path::PathBuf::from(format!("/proc/{supervisor}/cmdline"));
    // An empty one is that of a process that has ended.
    eventually("the supervisor ends", || {
        fs::read(&supervisor).is_ok_and(|line| line.is_empty()) || !supervisor.exists()
    });
    assert_eq!(device.run(["daemon", "status"]).status.code(), Some(3));
}

#[test]
fn unmounting_loses_nothing_that_was_not_sent() {
    let device = Device::new("lifecycle");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    device.ok(["offline"]);
    fs::write(mnt.join("unsent"), "precious").unwrap();
    let said = device.run(["unmount".as_ref(), mnt.as_os_str()]);
    let text = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success() && text.contains("unsent"), "{text}");
    assert_eq!(fs::read_dir(&mnt).unwrap().count(), 0, "unmounted");
    device.ok(["daemon", "stop"]);
    let mnt = device.mount();
    assert_eq!(fs::read_to_string(mnt.join("unsent")).unwrap(), "precious");
    device.ok(["online"]);
    device.wait_synced();
    assert_eq!(fs::read_to_string(remote.join("unsent")).unwrap(), "precious");
    device.ok(["unmount".as_ref(), "--wait".as_ref(), mnt.as_os_str()]);
}

#[test]
fn a_mount_in_use_is_not_taken_away() {
    let device = Device::new("lifecycle");
    let mnt = device.mount_local(&device.path("remote"));
    let file = File::create(mnt.join("open")).unwrap();
    let (_, text) = refused(&device, &["unmount".as_ref(), mnt.as_os_str()]);
    assert!(text.contains("in use"), "{text}");
    fs::write(mnt.join("still works"), "").unwrap();
    drop(file);
    device.ok(["unmount".as_ref(), mnt.as_os_str()]);
}

#[test]
fn what_was_written_is_sent_though_the_kernel_never_told_that_it_was_closed() {
    let device = Device::new("lifecycle");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    let file = File::options().read(true).write(true).create_new(true).open(mnt.join("bank.samples")).unwrap();
    Write::write_all(&mut &file, &[b'x'; 4096]).unwrap();
    let mapping = Mapping::new(&file, 4096);
    drop(file);
    // The mapping was the last user: the kernel queues its RELEASE, and drops the queue with the connection (`fuse_abort_conn`).
    let daemon = device.daemon_pid();
    signal("STOP", daemon);
    drop(mapping);
    let unmounted = std::process::Command::new("fusermount3").arg("-u").arg(&mnt).status();
    signal("CONT", daemon);
    assert!(unmounted.unwrap().success());
    device.ok(["wait", "--timeout", "50", "--vault", "vault", "."]);
    assert_eq!(fs::read(remote.join("bank.samples")).unwrap(), [b'x'; 4096]);
}

#[test]
fn all_vaults_are_folders_of_one_folder() {
    let device = Device::new("lifecycle");
    for vault in ["Personal", "Work"] {
        let remote = device.path(vault);
        fs::create_dir(&remote).unwrap();
        fs::write(remote.join("in"), vault).unwrap();
        device.ok([
            "vault".as_ref(),
            "add".as_ref(),
            std::ffi::OsStr::new(vault),
            "--provider".as_ref(),
            "local".as_ref(),
            "--path".as_ref(),
            remote.as_os_str(),
        ]);
    }
    device.ok(["mount".as_ref(), "--all".as_ref(), device.mnt().as_os_str()]);
    for vault in ["Personal", "Work"] {
        eventually("the vault's files", || {
            fs::read_to_string(device.mnt().join(vault).join("in")).is_ok_and(|text| text == vault)
        });
    }
    device.ok(["unmount".as_ref(), device.mnt().as_os_str()]);
    assert_eq!(fs::read_dir(device.mnt()).unwrap().count(), 0);
}
