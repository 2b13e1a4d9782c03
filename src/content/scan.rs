//! Looking at the store's folders: what is there when the store is opened, what is left over, how much it occupies.
//!
//! Only names and `stat` are used where every file is visited. Files of other programs are left alone.

use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::block_index::{BlockIndexFile, Key};
use super::files::{TEMPORARY_PREFIX, remove_if_there};
use crate::types::StagedId;

/// Extension of the data of cached files.
const DATA: &str = "data";
/// Extension of their indexes.
const INDEX: &str = "idx";
/// Extension of the block map of staged overlays.
pub(super) const MAP: &str = "map";
/// Extension of the record of staged files.
pub(super) const RECORD: &str = "rec";

/// Drops leftovers of a crash under `blocks/` and returns the bytes that the rest occupies. Nobody fills or adopts meanwhile.
pub(super) fn clean_blocks(blocks: &Path) -> io::Result<u64> {
    let mut usage = 0;
    for_each_folder(blocks, |folder| {
        let mut data_files = Vec::new();
        let mut indexes = Vec::new();
        for_each_entry(folder, |entry| {
            let name = entry.file_name();
            if is_temporary(&name) {
                return remove_if_there(&entry.path());
            }
            match keyed(&name) {
                Some((key, DATA)) => data_files.push((key, entry.metadata()?.blocks() * 512)),
                Some((key, INDEX)) => indexes.push(key),
                Some(_) | None => {}
            }
            Ok(())
        })?;
        data_files.sort_unstable();
        indexes.sort_unstable();
        for (key, allocated) in &data_files {
            let data = folder.join(format!("{}.{DATA}", key.to_hex()));
            let indexed = indexes.binary_search(key).is_ok();
            if indexed && *allocated > 0 {
                usage += allocated;
                continue;
            }
            // Without an index nobody can say what the data is; without data there is nothing to say.
            remove_if_there(&data)?;
            if indexed {
                remove_if_there(&data.with_extension(INDEX))?;
            }
        }
        for key in indexes {
            if data_files.binary_search_by_key(&key, |(key, _)| *key).is_err() {
                remove_if_there(&folder.join(format!("{}.{INDEX}", key.to_hex())))?;
            }
        }
        Ok(())
    })?;
    Ok(usage)
}

/// Visits every data file under `blocks/`, with its time of birth if the file system knows it.
pub(super) fn for_each_data(blocks: &Path, mut visit: impl FnMut(Key, Option<SystemTime>)) -> io::Result<()> {
    for_each_folder(blocks, |folder| {
        for_each_entry(folder, |entry| {
            if let Some((key, DATA)) = keyed(&entry.file_name()) {
                visit(key, entry.metadata().and_then(|metadata| metadata.created()).ok());
            }
            Ok(())
        })
    })
}

/// Data without an index that can be read, and indexes without data, with the key that they are named by.
pub(super) fn strays(blocks: &Path) -> io::Result<Vec<(Option<Key>, PathBuf)>> {
    let mut strays = Vec::new();
    for_each_folder(blocks, |folder| {
        for_each_entry(folder, |entry| {
            let path = entry.path();
            match keyed(&entry.file_name()) {
                Some((key, DATA)) if BlockIndexFile::open(&path.with_extension(INDEX))?.is_none() => {
                    strays.push((Some(key), path));
                }
                Some((key, INDEX)) if !path.with_extension(DATA).exists() => strays.push((Some(key), path)),
                Some(_) | None => {}
            }
            Ok(())
        })
    })?;
    Ok(strays)
}

/// Drops temporary files, and block maps whose data was never created or is already gone. Returns the bytes of disk that the data
/// occupies.
pub(super) fn clean_staging(staging: &Path) -> io::Result<u64> {
    clean_temporary(staging)?;
    let mut staged = 0;
    for_each_entry(staging, |entry| {
        if staged_id(Some(&entry.file_name())).is_some() {
            staged += entry.metadata()?.blocks() * 512;
            return Ok(());
        }
        let path = entry.path();
        let is_map = path.extension().is_some_and(|extension| extension == MAP);
        if is_map && staged_id(path.file_stem()).is_some() && !path.with_extension("").exists() {
            remove_if_there(&path)?;
        }
        Ok(())
    })?;
    Ok(staged)
}

/// Drops temporary files.
pub(super) fn clean_temporary(folder: &Path) -> io::Result<()> {
    for_each_entry(
        folder,
        |entry| {
            if is_temporary(&entry.file_name()) { remove_if_there(&entry.path()) } else { Ok(()) }
        },
    )
}

/// Ids of the staged data files, sorted.
pub(super) fn staged_ids(staging: &Path) -> io::Result<Vec<StagedId>> {
    let mut ids = Vec::new();
    for_each_entry(staging, |entry| {
        ids.extend(staged_id(Some(&entry.file_name())));
        Ok(())
    })?;
    ids.sort_unstable();
    Ok(ids)
}

/// Bytes of disk that a file occupies; none if it is not there.
pub(super) fn allocated(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.blocks() * 512)
}

fn for_each_folder(parent: &Path, mut visit: impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    for_each_entry(parent, |entry| {
        let name = entry.file_name();
        let is_ours = name.len() == 2 && name.to_str().is_some_and(|name| u8::from_str_radix(name, 16).is_ok());
        if is_ours && entry.file_type()?.is_dir() { visit(&entry.path()) } else { Ok(()) }
    })
}

fn for_each_entry(folder: &Path, mut visit: impl FnMut(DirEntry) -> io::Result<()>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        visit(entry?)?;
    }
    Ok(())
}

fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes())
}

fn keyed(name: &OsStr) -> Option<(Key, &str)> {
    let (hex, extension) = name.to_str()?.split_once('.')?;
    Some((Key::from_hex(hex)?, extension))
}

fn staged_id(name: Option<&OsStr>) -> Option<StagedId> {
    let name = name?.to_str()?;
    // Only the spelling that we write: a hyphenated lower-case UUID.
    uuid::Uuid::try_parse(name).ok().filter(|id| id.to_string() == name).map(StagedId)
}
