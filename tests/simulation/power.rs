//! What of a catalog a power cut leaves: everything up to its last flush, and nothing after it.

use std::io;
use std::path::Path;

/// Bytes of the log's header, and of the header of each frame.
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Where the write-ahead log of an open catalog ends. Behind that, it is reserved space.
pub(crate) fn log_end(log: &Path) -> io::Result<usize> {
    let bytes = std::fs::read(log)?;
    let Some(header) = bytes.get(..HEADER) else { return Ok(0) };
    let page = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
    let (salts, frame) = (&header[16..24], FRAME_HEADER + usize::try_from(page).map_err(io::Error::other)?);
    let is_of_this_log = |frame: &&[u8]| frame.get(8..16) == Some(salts);
    Ok(HEADER + frame * bytes[HEADER..].chunks(frame).take_while(is_of_this_log).count())
}
