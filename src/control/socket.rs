//! The socket file and who may use it.
//!
//! Invariants: the socket is 0600, in a folder that only this user may enter ([`crate::config::Paths::create_runtime`]), and
//! a peer of another user is turned away before it is read from.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use crate::sys::process::peer_credentials;

/// Why the socket cannot be offered or reached.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
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

/// Binds the socket. The caller holds the single-instance lock, so a socket that is already there is a dead one.
pub fn bind(path: &Path) -> Result<UnixListener, SocketError> {
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
    peer_credentials(stream).is_ok_and(|peer| peer.uid == uid)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn own_uid(dir: &Path) -> u32 {
        std::fs::metadata(dir).unwrap().uid()
    }

    #[tokio::test]
    async fn the_socket_is_private_and_replaces_a_dead_one() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("control.sock");
        drop(bind(&path).unwrap());
        let _listener = bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let stream = UnixStream::connect(&path).await.unwrap();
        assert!(is_own_peer(&stream, own_uid(root.path())));
        assert!(!is_own_peer(&stream, own_uid(root.path()) + 1));
    }
}
