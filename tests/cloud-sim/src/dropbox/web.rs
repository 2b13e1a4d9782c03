//! The website: a person who is signed in there and changes things behind the backs of all devices.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use serde_json::Value;

use super::Account;
use super::model::relocate::{Kind, RelocationError};
use super::model::view::{Place, View};
use super::model::world::World;
use super::model::write::{Author, Mode, Put, WriteError};
use super::model::{Node, Traits, path};
use super::service::Dropbox;
use super::wire::errors::{relocation_error, write_error};
use crate::content::{Blob, ContentHash};

/// A signed-in website.
#[derive(Clone)]
pub struct Web {
    pub(super) dropbox: Arc<Dropbox>,
    pub(super) account: Arc<str>,
    /// Paths begin at the team's space, where there is one, and not at the home.
    pub(super) in_space: bool,
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A folder.
    Folder,
    /// A file.
    File {
        /// Its length.
        size: u64,
        /// Its revision.
        rev: String,
        /// Its content hash.
        hash: ContentHash,
    },
}

/// Why the website does not do something.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The service's error, as its JSON.
    #[error("the website refuses: {0}")]
    Error(Value),
    /// Nothing stands there.
    #[error("nothing stands at {0}")]
    NotFound(String),
    /// The contents could not be stored or read.
    #[error("contents: {0}")]
    Contents(#[from] io::Error),
}

impl From<WriteError> for Refused {
    fn from(error: WriteError) -> Self {
        Self::Error(write_error(error))
    }
}

impl From<RelocationError> for Refused {
    fn from(error: RelocationError) -> Self {
        Self::Error(relocation_error(error))
    }
}

impl Web {
    /// The same website, with paths that begin at the account's root.
    pub fn of_space(self) -> Self {
        Self { in_space: true, ..self }
    }

    fn with<T>(&self, act: impl FnOnce(&mut World, View) -> T) -> T {
        let result = {
            let mut world = self.dropbox.world();
            let top = world.account(&self.account).map(|of| if self.in_space { of.root } else { of.home });
            // Accounts are never removed.
            let view = View { root: top.unwrap_or(super::model::NsId(0)) };
            act(&mut world, view)
        };
        self.dropbox.announce();
        result
    }

    fn author(&self) -> Author {
        Author { account: self.account.clone(), now: self.dropbox.clock.seconds() }
    }

    fn put(&self, path: &str, blob: Blob, traits: Traits) -> Result<String, Refused> {
        let author = self.author();
        self.with(|world, view| {
            let place = view.place(world, path);
            let put = Put {
                mode: Mode::Overwrite,
                autorename: false,
                strict_conflict: false,
                client_modified: None,
                blob: Arc::new(blob),
                traits,
            };
            let place = world.put(view, &place, put, &author)?;
            Ok(rev(world, &place))
        })
    }

    /// Writes a file, over what was there; its revision.
    ///
    /// # Errors
    /// As the service refuses it, here and in the other methods.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<String, Refused> {
        let blob = Blob::from_bytes(&self.dropbox.spill, bytes)?;
        self.put(path, blob, Traits::default())
    }

    /// Writes a file of zeros, which takes no room here however long it is.
    pub fn write_zeros(&self, path: &str, length: u64) -> Result<String, Refused> {
        self.put(path, Blob::zeros(&self.dropbox.spill, length), Traits::default())
    }

    /// Writes a file of bytes that are computed from a seed when they are read; it takes no room here however long it is.
    pub fn write_computed(&self, path: &str, length: u64, seed: u64) -> Result<String, Refused> {
        self.put(path, Blob::computed(&self.dropbox.spill, seed, length), Traits::default())
    }

    /// Makes a cloud document: listed, not downloadable, exported as this type.
    pub fn write_cloud_document(&self, path: &str, bytes: &[u8], export_as: &'static str) -> Result<String, Refused> {
        let blob = Blob::from_bytes(&self.dropbox.spill, bytes)?;
        self.put(path, blob, Traits { export_as: Some(export_as), ..Traits::default() })
    }

    /// Makes a file whose content is blocked for legal reasons.
    pub fn write_restricted(&self, path: &str, bytes: &[u8]) -> Result<String, Refused> {
        let blob = Blob::from_bytes(&self.dropbox.spill, bytes)?;
        self.put(path, blob, Traits { restricted: true, ..Traits::default() })
    }

    /// Makes a symlink, as desktop clients do.
    pub fn write_symlink(&self, path: &str, target: &str) -> Result<String, Refused> {
        let blob = Blob::from_bytes(&self.dropbox.spill, b"")?;
        self.put(path, blob, Traits { symlink_target: Some(target.into()), ..Traits::default() })
    }

    /// Makes a folder and those above it.
    pub fn create_folder(&self, path: &str) -> Result<(), Refused> {
        self.with(|world, view| {
            let place = view.place(world, path);
            world.create_folder(&place, false)?;
            Ok(())
        })
    }

    /// Deletes what stands at a path.
    pub fn delete(&self, path: &str) -> Result<(), Refused> {
        self.with(|world, view| {
            let place = existing(world, view, path)?;
            world.delete(&place);
            Ok(())
        })
    }

    /// Moves or renames.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), Refused> {
        self.relocate(Kind::Move, from, to)
    }

    /// Copies.
    pub fn copy(&self, from: &str, to: &str) -> Result<(), Refused> {
        self.relocate(Kind::Copy, from, to)
    }

    fn relocate(&self, kind: Kind, from: &str, to: &str) -> Result<(), Refused> {
        let author = self.author();
        self.with(|world, view| {
            let (from, to) = (existing(world, view, from)?, view.place(world, to));
            world.relocate(view, kind, &from, &to, false, &author)?;
            Ok(())
        })
    }

    /// Shares a folder with others, in whose homes it appears under the same name.
    pub fn share(&self, path: &str, with: &[&Account]) -> Result<(), Refused> {
        self.with(|world, view| {
            let place = existing(world, view, path)?;
            let inside = world.share(&place).ok_or_else(|| Refused::NotFound(path.to_owned()))?;
            for account in with {
                let home = world.account(&account.id).map(|account| account.home);
                if let Some(home) = home {
                    world.mount(home, &format!("/{}", path::name(&place.display)), inside);
                }
            }
            Ok(())
        })
    }

    /// Ends the sharing of a folder.
    pub fn unshare(&self, path: &str) -> Result<(), Refused> {
        self.with(|world, view| {
            let place = existing(world, view, path)?;
            if world.unshare(&place) { Ok(()) } else { Err(Refused::NotFound(path.to_owned())) }
        })
    }

    /// Brings an earlier revision of a path back.
    pub fn restore(&self, path: &str, rev: &str) -> Result<String, Refused> {
        let author = self.author();
        self.with(|world, view| {
            let place = view.place(world, path);
            let place = world.restore(view, &place, rev, &author)?;
            Ok(self::rev(world, &place))
        })
    }

    /// Makes so many empty files in a folder, named by number, for tests of long listings.
    pub fn write_many(&self, folder: &str, count: u64) -> Result<(), Refused> {
        let author = self.author();
        let blob = Arc::new(Blob::from_bytes(&self.dropbox.spill, b"")?);
        self.with(|world, view| {
            for number in 0..count {
                let place = view.place(world, &format!("{folder}/file {number:07}.json"));
                let put = Put {
                    mode: Mode::Overwrite,
                    autorename: false,
                    strict_conflict: false,
                    client_modified: None,
                    blob: blob.clone(),
                    traits: Traits::default(),
                };
                world.put(view, &place, put, &author)?;
            }
            Ok(())
        })
    }

    /// The bytes of a file.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, Refused> {
        let blob = self.with(|world, view| {
            let place = existing(world, view, path)?;
            let file = world.live(&place).and_then(|entry| entry.node.file()).cloned();
            file.map(|file| file.blob.clone()).ok_or_else(|| Refused::NotFound(path.to_owned()))
        })?;
        Ok(blob.to_vec()?)
    }

    /// What stands at a path.
    pub fn item(&self, path: &str) -> Option<Item> {
        self.with(|world, view| {
            let place = view.place(world, path);
            world.live(&place).and_then(|entry| item(&entry.node))
        })
    }

    /// Everything, by its path as displayed.
    pub fn tree(&self) -> BTreeMap<String, Item> {
        self.with(|world, view| {
            let mut tree = BTreeMap::new();
            for segment in view.segments(world, view.root, "", true) {
                for (_, entry) in world.ns(segment.ns).below(&segment.inner, None) {
                    if let Some(item) = item(&entry.node) {
                        tree.insert(format!("{}{}", segment.outer.display, entry.display), item);
                    }
                }
            }
            tree
        })
    }
}

fn item(node: &Node) -> Option<Item> {
    match node {
        Node::Folder { .. } => Some(Item::Folder),
        Node::File(file) => {
            Some(Item::File { size: file.blob.length(), rev: file.rev.to_string(), hash: file.blob.hash() })
        }
        Node::Deleted => None,
    }
}

fn rev(world: &World, place: &Place) -> String {
    world.live(place).and_then(|entry| entry.node.file()).map(|file| file.rev.to_string()).unwrap_or_default()
}

fn existing(world: &World, view: View, path: &str) -> Result<Place, Refused> {
    let place = view.place(world, path);
    if world.live(&place).is_some() { Ok(place) } else { Err(Refused::NotFound(path.to_owned())) }
}
