//! The daemon's end of the registrar, with the helper itself and with programs in its place that are none.

use std::fs::{File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use fuser::{Filesystem, InitFlags, KernelConfig, Request, Session};
use tempfile::TempDir;
use vaultfs::mount::registrar::Registrar;

/// Nothing is in it; but it has passthrough.
struct Empty;

impl Filesystem for Empty {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).map_err(|_| ErrorKind::Unsupported)?;
        config.set_max_stack_depth(1).map_err(|_| ErrorKind::Unsupported.into()).map(|_| ())
    }
}

/// The helper, built if it is not: nothing else of this package needs it.
pub(crate) fn helper() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_vaultfs")).with_file_name("vaultfs-mount-helper");
    if !program.exists() {
        let built = program.ancestors().nth(2).unwrap();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "-p", "vaultfs-mount-helper", "--target-dir"]).arg(built);
        assert!(build.status().unwrap().success());
    }
    program
}

fn is_root() -> bool {
    let root = vaultfs::sys::process::effective_uid() == 0;
    if !root {
        eprintln!("SKIPPED: the helper has its privilege from root here");
    }
    root
}

fn folder_with_file(dir: &TempDir) -> (File, File) {
    let file = dir.path().join("file");
    std::fs::write(&file, "bytes").unwrap();
    (File::open(dir.path()).unwrap(), OpenOptions::new().read(true).write(true).open(file).unwrap())
}

fn device() -> OwnedFd {
    OpenOptions::new().read(true).write(true).open("/dev/fuse").unwrap().into()
}

/// A program that is called as the helper is.
fn stand_in(dir: &TempDir, script: &str) -> PathBuf {
    let program = dir.path().join("helper");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    program
}

#[test]
fn files_get_ids_and_refusals_do_no_harm() {
    if !is_root() {
        return;
    }
    let (dir, place) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (folder, file) = folder_with_file(&dir);
    let mut session = Session::new(Empty, place.path(), &fuser::Config::default()).unwrap();
    let registrar = Registrar::start(&helper(), session.as_fd(), &[folder.try_clone().unwrap()]).unwrap();
    let id = registrar.register(&file).unwrap();
    assert!(id > 0);
    let read_only = File::open(dir.path().join("file")).unwrap();
    assert_eq!(registrar.register(&read_only).unwrap_err().raw_os_error(), Some(libc::EACCES));
    assert_eq!(registrar.close(id + 1).unwrap_err().raw_os_error(), Some(libc::ENOENT));
    registrar.close(id).unwrap();
    assert_eq!(registrar.close(id).unwrap_err().raw_os_error(), Some(libc::ENOENT));
    drop(registrar);
    session.unmount_callable().unmount().unwrap();
}

#[test]
fn a_helper_without_its_capability_is_told_from_a_broken_one() {
    if !is_root() {
        return;
    }
    let dir = TempDir::new().unwrap();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let (folder, file) = folder_with_file(&dir);
    std::fs::copy(helper(), dir.path().join("copy")).unwrap();
    let script = format!("exec setpriv --reuid 54321 --clear-groups '{}' \"$@\"", dir.path().join("copy").display());
    let start = |program: &Path| Registrar::start(program, device().as_fd(), &[folder.try_clone().unwrap()]);
    let refused = start(&stand_in(&dir, &script)).unwrap_err();
    assert_eq!((refused.kind(), refused.raw_os_error()), (ErrorKind::PermissionDenied, Some(libc::EPERM)));

    assert_eq!(start(&dir.path().join("nowhere")).unwrap_err().kind(), ErrorKind::NotFound);
    for script in ["exit 0", "exit 1", "printf 'not an answer' >&0", "printf 'error!!!' >&0", "printf '' >&0"] {
        let error = start(&stand_in(&dir, script)).unwrap_err();
        assert_ne!(error.kind(), ErrorKind::PermissionDenied, "{script}: {error}");
    }

    // Only one answer is right, and then it is gone: it is not asked again, and nobody waits for it.
    let once = stand_in(&dir, r"printf '\0\0\0\0\0\0\0\0' >&0; exec dd bs=64 count=1 status=none >/dev/null");
    let registrar = start(&once).unwrap();
    assert!(registrar.register(&file).is_err());
    assert_eq!(registrar.register(&file).unwrap_err().kind(), ErrorKind::NotConnected);
}
