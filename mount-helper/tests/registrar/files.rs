//! Which files are registered, and which are not.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt, chown};
use std::process::Command;

use tempfile::TempDir;
use vaultfs_mount_helper::protocol::MAX_LIVE;

use crate::daemon::Mount;
use crate::support::{Installed, Registrar, USER, folder, is_root, read_write};

/// A mount by this process, and a registrar of the user who may use the disk of the user's folder.
pub(crate) struct World {
    pub(crate) registrar: Registrar,
    pub(crate) mount: Mount,
    pub(crate) dir: TempDir,
    pub(crate) installed: Installed,
}

impl World {
    pub(crate) fn new() -> Self {
        let installed = Installed::with_capability();
        let dir = tempfile::tempdir().unwrap();
        let mount = Mount::new(dir.path(), true);
        let registrar = installed.registrar();
        assert_eq!(registrar.begin(mount.device.as_fd(), &[&folder(&installed.home())]), Some(Ok(0)));
        Self { registrar, mount, dir, installed }
    }
}

#[test]
fn a_registered_file_is_read_and_written_below() {
    if !is_root("a_registered_file_is_read_and_written_below") {
        return;
    }
    let world = World::new();
    let file = world.installed.file("song", "as it was");
    let id = world.registrar.register(&file).unwrap();
    world.mount.show(&file, id);
    let mut through = read_write(&world.dir.path().join("file"));
    let mut text = String::new();
    through.read_to_string(&mut text).unwrap();
    assert_eq!(text, "as it was");
    through.write_all(b", and more").unwrap();
    assert_eq!(std::fs::read_to_string(world.installed.home().join("song")).unwrap(), "as it was, and more");

    // What is open stays open; the id is gone.
    assert_eq!(world.registrar.close(id), Ok(0));
    assert_eq!(world.registrar.close(id), Err(libc::ENOENT));
    assert_eq!(through.write_at(b"A", 0).unwrap(), 1);
    drop(through);
    assert!(File::open(world.dir.path().join("file")).is_err(), "the id would open it still");
    assert!(world.registrar.end().success());
}

#[test]
fn what_the_user_does_not_hold_is_refused() {
    if !is_root("what_the_user_does_not_hold_is_refused") {
        return;
    }
    let World { registrar, installed, dir, mount } = World::new();
    let home = installed.home();
    let own = home.join("own");
    drop(installed.file("own", "mine"));
    let open = |flags: i32| OpenOptions::new().read(true).custom_flags(flags).open(&own).unwrap();

    assert_eq!(registrar.register(open(libc::O_PATH)), Err(libc::EACCES), "only a path");
    assert_eq!(registrar.register(open(0)), Err(libc::EACCES), "read-only");
    let write_only = OpenOptions::new().write(true).open(&own).unwrap();
    assert_eq!(registrar.register(write_only), Err(libc::EACCES), "write-only");
    let append = OpenOptions::new().read(true).append(true).open(&own).unwrap();
    assert_eq!(registrar.register(append), Err(libc::EACCES), "append-only");

    // Somebody else's, however it came to be held, even where the user may write it.
    let foreign = home.join("foreign");
    std::fs::write(&foreign, "root's").unwrap();
    assert_eq!(registrar.register(read_write(&foreign)), Err(libc::EACCES), "root's");
    let path_only = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(&foreign).unwrap();
    assert_eq!(registrar.register(path_only), Err(libc::EACCES), "a path to root's");
    chown(&foreign, Some(USER + 1), Some(USER)).unwrap();
    assert_eq!(registrar.register(read_write(&foreign)), Err(libc::EACCES), "another user's");

    // Something else than a file.
    assert_eq!(registrar.register(folder(&home)), Err(libc::EINVAL), "a folder");
    assert_eq!(registrar.register(read_write("/dev/null".as_ref())), Err(libc::EINVAL), "a device");
    assert_eq!(registrar.register(registrar.socket()), Err(libc::EINVAL), "a socket");
    assert_eq!(registrar.register(&mount.device), Err(libc::EINVAL), "the device itself");

    // Elsewhere.
    let elsewhere = tempfile::Builder::new().tempfile_in("/dev/shm").unwrap();
    chown(elsewhere.path(), Some(USER), Some(USER)).unwrap();
    assert_eq!(registrar.register(elsewhere.as_file()), Err(libc::EXDEV), "another disk");

    // None of it did any harm.
    let id = registrar.register(installed.file("song", "song")).unwrap();
    assert_eq!(registrar.close(id), Ok(0));
    drop(mount);
    drop(dir);
}

#[test]
fn files_of_the_kernel_are_refused_though_the_user_owns_them() {
    if !is_root("files_of_the_kernel_are_refused_though_the_user_owns_them") {
        return;
    }
    let installed = Installed::with_capability();
    let dir = tempfile::tempdir().unwrap();
    let mount = Mount::new(dir.path(), true);
    // A process of the user, whose files in /proc the user owns.
    let mut command = Command::new("sleep");
    std::os::unix::process::CommandExt::uid(&mut command, USER);
    let mut sleeper = command.arg("1000").spawn().unwrap();
    let process = std::path::PathBuf::from(format!("/proc/{}", sleeper.id()));
    let registrar = installed.registrar();
    assert_eq!(registrar.begin(mount.device.as_fd(), &[&folder(&process)]), Some(Ok(0)));
    assert_eq!(registrar.register(read_write(&process.join("oom_score_adj"))), Err(libc::EOPNOTSUPP));
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

#[test]
fn files_of_the_mount_itself_are_refused() {
    if !is_root("files_of_the_mount_itself_are_refused") {
        return;
    }
    let installed = Installed::with_capability();
    let (lower, upper) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // The lower one belongs to the user, as the file in it does.
    let lower_mount = Mount::new(lower.path(), true);
    let registrar = installed.registrar();
    assert_eq!(registrar.begin(lower_mount.device.as_fd(), &[&folder(&installed.home())]), Some(Ok(0)));
    let file = installed.file("song", "song");
    lower_mount.show(&file, registrar.register(&file).unwrap());

    let upper_mount = Mount::new(upper.path(), true);
    let root = Registrar::start({
        let mut command = Command::new(installed.program());
        command.arg("registrar");
        command
    });
    assert_eq!(root.begin(upper_mount.device.as_fd(), &[&folder(lower.path())]), Some(Ok(0)));
    assert_eq!(root.register(read_write(&lower.path().join("file"))), Err(libc::EOPNOTSUPP));
}

#[test]
fn ids_are_limited_and_belong_to_one_registrar() {
    if !is_root("ids_are_limited_and_belong_to_one_registrar") {
        return;
    }
    let world = World::new();
    let file = world.installed.file("song", "song");
    let ids: Vec<u32> = (0..MAX_LIVE).map(|_| world.registrar.register(&file).unwrap()).collect();
    assert_eq!(world.registrar.register(&file), Err(libc::EMFILE));
    assert_eq!(world.registrar.register(&file), Err(libc::EMFILE));

    let other = world.installed.registrar();
    let home = folder(&world.installed.home());
    assert_eq!(other.begin(world.mount.device.as_fd(), &[&home]), Some(Ok(0)));
    for id in [0, 1, ids[0], ids[MAX_LIVE - 1], u32::MAX] {
        assert_eq!(other.close(id), Err(libc::ENOENT), "an id of another registrar, or of nobody");
    }
    assert_eq!(world.registrar.close(ids[0]), Ok(0));
    assert!(world.registrar.register(&file).is_ok(), "there is room again");
}

/// What is registered is what was sent, whatever becomes of its name and of the sender's descriptor meanwhile.
#[test]
fn nothing_is_exchanged_between_the_look_and_the_registration() {
    if !is_root("nothing_is_exchanged_between_the_look_and_the_registration") {
        return;
    }
    let world = World::new();
    let home = world.installed.home();
    let (name, away, bait) = (home.join("song"), home.join("away"), world.installed.path().join("bait"));
    std::fs::write(&bait, "secret").unwrap();
    let good = world.installed.file("song", "of ours");
    std::fs::rename(&name, &away).unwrap();
    std::os::unix::fs::symlink(&bait, &name).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                rustix::fs::renameat_with(
                    rustix::fs::CWD,
                    &name,
                    rustix::fs::CWD,
                    &away,
                    rustix::fs::RenameFlags::EXCHANGE,
                )
                .unwrap();
                for flags in [rustix::fs::OFlags::APPEND, rustix::fs::OFlags::empty()] {
                    rustix::fs::fcntl_setfl(&good, flags).unwrap();
                }
            }
        });
        let mut registered = 0;
        for _ in 0..10_000 {
            // Either the link or the file is at the name just now: what is opened may be root's.
            let file = read_write(&name);
            for file in [&file, &good] {
                let Ok(id) = world.registrar.register(file) else { continue };
                registered += 1;
                world.mount.show(&good, id);
                let text = std::fs::read_to_string(world.dir.path().join("file"));
                assert_eq!(world.registrar.close(id), Ok(0));
                assert_eq!(text.unwrap(), "of ours");
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(registered > 1000, "{registered}");
    });
    assert_eq!(std::fs::read_to_string(&bait).unwrap(), "secret");
}
