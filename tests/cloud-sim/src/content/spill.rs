//! Where bytes lie: one file without a name, only ever appended to. Runs of zeros are not stored.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::blob::{Piece, Source};

/// The file that contents are spilled to; it vanishes with the last clone.
#[derive(Clone, Debug)]
pub struct Spill(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    file: OnceLock<File>,
    end: AtomicU64,
}

impl Spill {
    /// Contents go to a file in `folder`; it is made when the first byte comes.
    pub fn new(folder: &Path) -> Self {
        Self(Arc::new(Inner { folder: folder.to_owned(), file: OnceLock::new(), end: AtomicU64::new(0) }))
    }

    fn file(&self) -> io::Result<&File> {
        if let Some(file) = self.0.file.get() {
            return Ok(file);
        }
        let made = tempfile::tempfile_in(&self.0.folder)?;
        Ok(self.0.file.get_or_init(|| made))
    }

    /// Stores these bytes, or notes that they are zeros.
    pub(crate) fn store(&self, bytes: &[u8]) -> io::Result<Piece> {
        let length = bytes.len() as u64;
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(Piece { source: Source::Zeros, length });
        }
        let at = self.0.end.fetch_add(length, Ordering::Relaxed);
        self.file()?.write_all_at(bytes, at)?;
        Ok(Piece { source: Source::Spilled { at }, length })
    }

    pub(crate) fn read(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.file()?.read_exact_at(into, at)
    }

    /// Bytes that were stored, zeros not counted.
    pub fn stored(&self) -> u64 {
        self.0.end.load(Ordering::Relaxed)
    }
}
