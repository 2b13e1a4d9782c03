//! Reading and making files of a vault through its filesystem core, as the mount does: the same rules, the same staging.

use std::ffi::OsStr;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::control::protocol::{ErrorCode, Problem};
use crate::control::service::ByteStream;
use crate::daemon::problems;
use crate::sys::process;
use crate::types::{EntryName, HandleNo, InodeNo, NodeKind};
use crate::vfs::ports::serve_here;
use crate::vfs::{FsError, NewEntry, OpenIntent, Owner, VaultFs};

/// Bytes that are moved at once.
const PIECE_BYTES: u32 = 1024 * 1024;

/// An open file; closed when it is dropped.
struct OpenHandle {
    vfs: Arc<VaultFs>,
    handle: HandleNo,
}

impl Drop for OpenHandle {
    fn drop(&mut self) {
        self.vfs.release(self.handle);
    }
}

impl OpenHandle {
    async fn read(&self, offset: u64) -> Result<Vec<u8>, FsError> {
        let (done, result) = oneshot::channel();
        // The receiver is gone only if the client is.
        self.vfs.read(self.handle, offset, PIECE_BYTES, None, Box::new(move |bytes| drop(done.send(bytes))));
        result.await.unwrap_or(Err(FsError::BadHandle))
    }

    async fn write(&self, offset: u64, bytes: &[u8]) -> Result<u32, FsError> {
        let (done, result) = oneshot::channel();
        self.vfs.write(self.handle, offset, bytes, None, Box::new(move |written| drop(done.send(written))));
        result.await.unwrap_or(Err(FsError::BadHandle))
    }
}

/// The bytes of a file, fetched as they are read.
pub(super) fn read(vfs: Arc<VaultFs>, ino: InodeNo, path: &str) -> Result<ByteStream, Problem> {
    let intent = OpenIntent { read: true, write: false };
    let handle = vfs
        .open(ino, intent, &serve_here)
        .map_err(|error| problems::file(format!("cannot open `{path}`"), &error))?
        .handle;
    let open = OpenHandle { vfs, handle };
    let pieces = futures_util::stream::try_unfold((open, 0_u64), |(open, offset)| async move {
        let piece = open.read(offset).await.map_err(std::io::Error::other)?;
        let next = offset + u64::try_from(piece.len()).map_err(std::io::Error::other)?;
        Ok((!piece.is_empty()).then(|| (Bytes::from(piece), (open, next))))
    });
    Ok(Box::pin(pieces))
}

/// Makes a file at `path`, or beside it if the name is taken, with the folders that lead to it. Answers where it is.
pub(super) async fn make(
    vfs: &Arc<VaultFs>,
    path: &str,
    marker: &str,
    bytes: std::fs::File,
) -> Result<String, Problem> {
    let failed = |error: FsError| problems::file(format!("cannot restore `{path}`"), &error);
    let owner = |mode| Owner { uid: process::effective_uid(), gid: process::effective_gid(), mode };
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut parent = InodeNo::ROOT;
    for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
        let found = match vfs.lookup(parent, OsStr::new(folder)).map_err(failed)? {
            Some(found) => found,
            None => {
                let made = vfs.make(parent, OsStr::new(folder), owner(0o755), NewEntry::Folder).map_err(failed)?;
                vfs.name_changed(parent, &EntryName::new(folder).map_err(|error| failed(FsError::Name(error)))?);
                made
            }
        };
        if found.kind != NodeKind::Folder {
            return Err(failed(FsError::NotFolder));
        }
        parent = found.ino;
    }
    let plain = EntryName::new(name).map_err(|error| failed(FsError::Name(error)))?;
    let intent = OpenIntent { read: false, write: true };
    let candidates = std::iter::once(plain.clone()).chain((1..100).map(|again| match again {
        1 => plain.with_marker(marker),
        again => plain.with_marker(&format!("{marker} {again}")),
    }));
    for name in candidates {
        if vfs.lookup(parent, OsStr::new(name.as_str())).map_err(failed)?.is_some() {
            continue;
        }
        let handle = match vfs.create(parent, OsStr::new(name.as_str()), owner(0o644), intent, &serve_here) {
            Ok((_, opened)) => opened.handle,
            Err(FsError::Exists) => continue,
            Err(error) => return Err(failed(error)),
        };
        vfs.name_changed(parent, &name);
        copy(OpenHandle { vfs: Arc::clone(vfs), handle }, bytes).await.map_err(failed)?;
        let name = name.as_str();
        return Ok(if folders.is_empty() { name.to_owned() } else { format!("{folders}/{name}") });
    }
    Err(Problem::new(ErrorCode::Io, format!("there are too many restored versions of `{path}`"))
        .hint("delete or rename some of them"))
}

async fn copy(to: OpenHandle, mut from: std::fs::File) -> Result<(), FsError> {
    let mut offset = 0;
    loop {
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; 1024 * 1024];
            from.read(&mut piece).map(|length| {
                piece.truncate(length);
                (piece, from)
            })
        });
        let (piece, rest) = read.await.map_err(|_| FsError::BadHandle)?.map_err(FsError::Direct)?;
        if piece.is_empty() {
            return to.vfs.fsync(to.handle);
        }
        from = rest;
        offset += u64::from(to.write(offset, &piece).await?);
    }
}
