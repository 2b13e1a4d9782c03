//! Self-describing records of staged files: `staging/<id>.rec`.
//!
//! Three lines of text: what it is, the BLAKE3 of the rest, JSON. Written as a whole (temporary file, fsync, rename; then the store
//! makes the names of `staging/` durable), so a record is the old one or the new one. One that does not verify is no record.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::files::{IoContext, STAGED, temporary_in};
use super::{Result, StagedRecord};
use crate::sys::{durable, failpoint};

const TITLE: &str = "vaultfs staged record 1";
/// A path of 4,096 bytes, escaped, and room to spare.
const MAX_RECORD_BYTES: u64 = 256 * 1024;

/// Writes a record durably, but for its name.
pub(super) fn write(folder: &Path, path: &Path, record: &StagedRecord) -> Result<()> {
    let bytes = encode(record).context(STAGED, "write", path)?;
    let mut temporary = temporary_in(folder).context(STAGED, "create", folder)?;
    temporary.write_all(&bytes).context(STAGED, "write", path)?;
    durable::sync_all(temporary.as_file()).context(STAGED, "sync", path)?;
    failpoint::reach("record-written");
    temporary.persist(path).map_err(|error| error.error).context(STAGED, "rename", path)?;
    Ok(())
}

/// Reads a record; `None` if there is none or it does not verify.
pub(super) fn read(path: &Path) -> Result<Option<StagedRecord>> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_RECORD_BYTES) {
        return Ok(None);
    }
    match fs::read(path) {
        Ok(bytes) => Ok(decode(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context(STAGED, "read", path),
    }
}

fn encode(record: &StagedRecord) -> io::Result<Vec<u8>> {
    let json = serde_json::to_string(record)?;
    Ok(format!("{TITLE}\n{}\n{json}\n", blake3::hash(json.as_bytes()).to_hex()).into_bytes())
}

fn decode(bytes: &[u8]) -> Option<StagedRecord> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (checksum, json) = text.strip_prefix(TITLE)?.strip_prefix('\n')?.split_once('\n')?;
    let json = json.strip_suffix('\n')?;
    (checksum == blake3::hash(json.as_bytes()).to_hex().as_str()).then_some(())?;
    serde_json::from_str(json).ok()
}
