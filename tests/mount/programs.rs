//! Real programs on the mount: version control, archivers, databases, copies.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::support::{Device, tree};

/// Runs a shell script in a folder; it must succeed.
fn sh(folder: &Path, script: &str) -> String {
    let output = Command::new("sh").arg("-ec").arg(script).current_dir(folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{script}\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn git_works_and_stays_clean_over_the_upload() {
    let device = Device::new("programs");
    // Collecting garbage deletes most of a small repository: here that is no accident.
    device.ok(["config", "set", "sync.delete_guard_nodes", "100000"]);
    let mnt = device.mount_local(&device.path("remote"));
    sh(
        &mnt,
        "git init -q repo && cd repo && git config user.email a@b && git config user.name a
         for i in $(seq 60); do echo \"line $i\" > \"file $i\"; done
         git add . && git commit -qm first && git mv 'file 1' moved && git commit -qam second
         git gc -q && git fsck --strict",
    );
    device.wait_synced();
    assert_eq!(sh(&mnt.join("repo"), "git status --porcelain"), "");
    sh(&mnt, "git clone -q repo copy && cd copy && git fsck --strict && test -f moved");
}

#[test]
fn a_program_that_runs_is_not_written_and_not_cut() {
    let device = Device::new("programs");
    let program = device.mount_local(&device.path("remote")).join("sleep");
    let original = fs::read("/bin/sleep").unwrap();
    fs::write(&program, &original).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut running = Command::new(&program).arg("60").spawn().unwrap();
    let write = OpenOptions::new().write(true).open(&program);
    let cut = OpenOptions::new().write(true).truncate(true).open(&program);
    let cut_unread = OpenOptions::new().read(true).custom_flags(libc::O_TRUNC).open(&program);
    for refused in [write, cut, cut_unread] {
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::ETXTBSY));
    }
    assert!(fs::read(&program).unwrap() == original, "a refused open changed the file");
    assert_eq!(running.try_wait().unwrap(), None, "the program runs on");
    running.kill().unwrap();
    running.wait().unwrap();
    fs::write(&program, "free again").unwrap();
}

#[test]
fn archives_go_in_and_out_unchanged() {
    let device = Device::new("programs");
    let remote = device.path("remote");
    let mnt = device.mount_local(&remote);
    let work = device.path("state");
    sh(
        &work,
        "mkdir corpus && cd corpus && for i in $(seq 200); do head -c $((i * 331)) /dev/urandom > \"f $i\"; done
         mkdir -p a/b/c && echo deep > a/b/c/d && ln -s ../b a/link && chmod 755 'f 1' && tar cf ../corpus.tar .",
    );
    sh(&mnt, &format!("tar xf {}/corpus.tar", work.display()));
    sh(&mnt, &format!("tar df {}/corpus.tar", work.display()));
    device.wait_synced();
    assert_eq!(tree(&mnt), tree(&work.join("corpus")));
    assert_eq!(tree(&remote), tree(&work.join("corpus")));
    sh(&mnt, &format!("tar df {}/corpus.tar && rm -rf a 'f 1' && ! test -e a", work.display()));
}

#[test]
fn a_database_keeps_its_promises() {
    let device = Device::new("programs");
    let mnt = device.mount_local(&device.path("remote"));
    for mode in ["wal", "delete"] {
        let path = mnt.join(format!("{mode}.aup3"));
        let database = rusqlite::Connection::open(&path).unwrap();
        let in_force: String =
            database.query_row(&format!("PRAGMA journal_mode={mode}"), [], |row| row.get(0)).unwrap();
        assert_eq!(in_force, mode);
        database.execute_batch("CREATE TABLE block(id INTEGER PRIMARY KEY, samples BLOB)").unwrap();
        let second = rusqlite::Connection::open(&path).unwrap();
        for at in 0..100 {
            database.execute("INSERT INTO block VALUES(?1, zeroblob(4096))", [at]).unwrap();
            let seen: i64 = second.query_row("SELECT count(*) FROM block", [], |row| row.get(0)).unwrap();
            assert_eq!(seen, at + 1, "{mode}: the second connection sees each commit");
        }
        let verdict: String = second.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok");
    }
}

#[test]
fn copies_inside_the_kernel_give_the_same_bytes() {
    let device = Device::new("programs");
    let mnt = device.mount_local(&device.path("remote"));
    sh(
        &mnt,
        "head -c 3000000 /dev/urandom > original && cp original copy && cmp original copy
         cp --sparse=always original sparse && cmp original sparse
         dd if=original of=patched bs=1000 count=7 seek=3 conv=notrunc status=none && cat original >> copy
         test $(stat -c %s copy) = 6000000",
    );
    device.wait_synced();
    sh(&mnt, "cmp original sparse && cp original again && cmp original again");
}
