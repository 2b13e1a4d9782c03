//! The socket file: where it is, who may use it.
//!
//! Invariants: the folder belongs to this user and is closed to others (0700), the socket is 0600, and a peer of another
//! user is turned away before it is read from.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Name of the socket in the runtime folder.
pub const SOCKET_NAME: &str = "control.sock";

/// Longest path that a socket address can hold (`sun_path` of Linux, without its end; macOS: 103).
const LONGEST_SOCKET_PATH: usize = 103;

/// Why the socket cannot be offered or reached.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The folder belongs to somebody else, or others may enter it.
    #[error("{path} is not safe for a control socket: {why}")]
    UnsafeFolder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The path is too long for the kernel.
    #[error("the path {path} is longer than the {LONGEST_SOCKET_PATH} bytes that a socket address can hold")]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// The file system failed.
    #[error("{operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SocketError {
    let path = path.to_owned();
    move |source| SocketError::Io { operation, path, source }
}

/// Creates the runtime folder, or checks that the one that is there is ours alone.
pub fn prepare_folder(dir: &Path, uid: u32) -> Result<(), SocketError> {
    if let Some(above) = dir.parent() {
        std::fs::create_dir_all(above).map_err(io_error("create", above))?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io_error("create", dir)(error)),
    }
    // Not following links: a link that somebody else planted must not lead us into their folder.
    let found = std::fs::symlink_metadata(dir).map_err(io_error("look at", dir))?;
    let unsafe_because = |why: &str| SocketError::UnsafeFolder { path: dir.to_owned(), why: why.to_owned() };
    if !found.is_dir() {
        return Err(unsafe_because("it is not a folder"));
    }
    if found.uid() != uid {
        return Err(unsafe_because(&format!("it belongs to user {}, not to user {uid}", found.uid())));
    }
    if found.mode() & 0o077 != 0 {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(io_error("close", dir))?;
    }
    Ok(())
}

/// Binds the socket. The caller holds the single-instance lock, so a socket that is already there is a dead one.
pub fn bind(path: &Path) -> Result<UnixListener, SocketError> {
    if path.as_os_str().len() > LONGEST_SOCKET_PATH {
        return Err(SocketError::TooLong { path: path.to_owned() });
    }
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io_error("remove the old socket", path)(error)),
    }
    let listener = UnixListener::bind(path).map_err(io_error("listen on", path))?;
    // Between these two calls the folder alone (0700) keeps others out.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(io_error("close", path))?;
    Ok(listener)
}

/// True if the other end is a process of this user.
pub fn is_own_peer(stream: &UnixStream, uid: u32) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_uid(dir: &Path) -> u32 {
        std::fs::metadata(dir).unwrap().uid()
    }

    #[test]
    fn a_folder_that_is_open_to_others_is_closed() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("vaultfs");
        std::fs::create_dir(&dir).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
        prepare_folder(&dir, own_uid(root.path())).unwrap();
        assert_eq!(std::fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_of_somebody_else_and_a_planted_link_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let (dir, link) = (root.path().join("vaultfs"), root.path().join("link"));
        std::fs::create_dir(&dir).unwrap();
        let stranger = own_uid(root.path()) + 1;
        assert!(matches!(prepare_folder(&dir, stranger), Err(SocketError::UnsafeFolder { .. })));
        std::os::unix::fs::symlink(&dir, &link).unwrap();
        assert!(matches!(prepare_folder(&link, own_uid(root.path())), Err(SocketError::UnsafeFolder { .. })));
    }

    #[tokio::test]
    async fn the_socket_is_private_and_replaces_a_dead_one() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(SOCKET_NAME);
        drop(bind(&path).unwrap());
        let _listener = bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let stream = UnixStream::connect(&path).await.unwrap();
        assert!(is_own_peer(&stream, own_uid(root.path())));
        assert!(!is_own_peer(&stream, own_uid(root.path()) + 1));
    }

    #[tokio::test]
    async fn a_path_that_no_address_can_hold_is_refused_by_name() {
        let long = PathBuf::from(format!("/{}", "x".repeat(120)));
        assert!(matches!(bind(&long), Err(SocketError::TooLong { .. })));
    }
}
