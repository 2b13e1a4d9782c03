//! Single instance: a lock that the kernel releases when its process ends, however it ends.
//!
//! Taken in the runtime folder (one control socket) and in the state folder (one owner of the catalogs): two daemons with
//! different sockets must not share databases either. The file holds the process id, for the error of the one who comes
//! second; it is never removed, because removing a locked file would let a third one in.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::control::protocol::{ErrorCode, Problem};
use crate::sys::lock::try_lock_exclusive;

/// The right to be the daemon. Given up on drop.
#[derive(Debug)]
pub struct InstanceLock {
    _held: [File; 2],
}

impl InstanceLock {
    /// Takes both locks, or says who has them. The folders must exist.
    pub fn acquire(runtime: &Path, state: &Path) -> Result<Self, Problem> {
        Ok(Self { _held: [lock(runtime)?, lock(state)?] })
    }
}

/// The process that took a lock last, whether it still has it or not.
pub fn last_holder(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn lock(path: &Path) -> Result<File, Problem> {
    let failed = |error: &std::io::Error| {
        Problem::new(ErrorCode::Io, format!("cannot take the daemon's lock {}", path.display())).because(error)
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| failed(&error))?;
    if !try_lock_exclusive(&file).map_err(|error| failed(&error))? {
        return Err(taken(&mut file, path));
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(|error| failed(&error))?;
    Ok(file)
}

fn taken(file: &mut File, path: &Path) -> Problem {
    let mut holder = String::new();
    let who = match file.read_to_string(&mut holder) {
        Ok(_) if !holder.trim().is_empty() => format!("process {}", holder.trim()),
        Ok(_) | Err(_) => "a process that is just starting".to_owned(),
    };
    Problem::new(ErrorCode::AlreadyRunning, format!("a daemon is already running: {who}"))
        .cause(format!("it holds {}", path.display()))
        .hint("use it, or end it with `vaultfs daemon stop`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_is_first() {
        let dir = tempfile::tempdir().unwrap();
        let (runtime, state) = (dir.path().join("runtime.lock"), dir.path().join("state.lock"));
        let first = InstanceLock::acquire(&runtime, &state).unwrap();
        let refused = InstanceLock::acquire(&runtime, &state).unwrap_err();
        assert_eq!(refused.code, ErrorCode::AlreadyRunning);
        assert!(refused.what.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        assert_eq!(last_holder(&state), Some(std::process::id()), "it is remembered");
        InstanceLock::acquire(&runtime, &state).unwrap();
    }

    #[test]
    fn another_socket_does_not_open_the_same_databases() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state.lock");
        let _first = InstanceLock::acquire(&dir.path().join("one.lock"), &state).unwrap();
        let refused = InstanceLock::acquire(&dir.path().join("two.lock"), &state).unwrap_err();
        assert_eq!(refused.code, ErrorCode::AlreadyRunning);
    }
}
