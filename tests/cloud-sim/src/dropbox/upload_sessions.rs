//! Upload sessions: bytes that wait for a commit, for seven days.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::received::Received;
use crate::content::{BLOCK, Blob, BlockDigests, ContentHasher, Pieces, Spill};

/// How long a session lives, in seconds.
pub(crate) const LIFE: i64 = 7 * 24 * 3600;

/// Largest file.
pub(crate) const LARGEST: u64 = (1 << 41) - (1 << 22);

#[derive(Default)]
pub(crate) struct Sessions(HashMap<String, Session>);

pub(crate) struct Session {
    pub(crate) account: Arc<str>,
    pub(crate) started: i64,
    pub(crate) closed: bool,
    pub(crate) data: Data,
}

pub(crate) enum Data {
    /// Bytes in order.
    Sequential { pieces: Pieces, hasher: ContentHasher },
    /// Bytes from anywhere, each part with the digests of its blocks.
    Concurrent { parts: BTreeMap<u64, Part>, end: Option<u64> },
}

pub(crate) struct Part {
    pieces: Pieces,
    digests: Vec<[u8; 32]>,
}

impl Sessions {
    pub(crate) fn add(&mut self, id: String, session: Session) {
        self.0.insert(id, session);
    }

    /// A session that is alive and belongs to the account.
    pub(crate) fn get(&mut self, id: &str, account: &str, now: i64) -> Option<&mut Session> {
        self.0.get_mut(id).filter(|session| *session.account == *account && now < session.started + LIFE)
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.0.remove(id);
    }
}

impl Data {
    pub(crate) fn sequential() -> Self {
        Self::Sequential { pieces: Pieces::default(), hasher: ContentHasher::default() }
    }

    pub(crate) fn concurrent() -> Self {
        Self::Concurrent { parts: BTreeMap::new(), end: None }
    }

    /// Adds bytes; those of a sequential session go to its end.
    pub(crate) fn add(&mut self, offset: u64, received: Received, spill: &Spill) -> std::io::Result<()> {
        match self {
            Self::Sequential { pieces, hasher } => {
                hasher.go_on(received.hasher, &received.pieces, spill)?;
                pieces.append(&received.pieces);
            }
            Self::Concurrent { parts, .. } => {
                let digests = received.hasher.into_digests();
                parts.insert(offset, Part { pieces: received.pieces, digests });
            }
        }
        Ok(())
    }

    /// The whole content, if there are no holes.
    pub(crate) fn blob(&self, spill: &Spill) -> Option<Blob> {
        match self {
            Self::Sequential { pieces, hasher } => Some(Blob::new(spill, pieces.clone(), hasher.clone().finish())),
            Self::Concurrent { parts, end } => {
                let (mut whole, mut digests) = (Pieces::default(), BlockDigests::default());
                for (offset, part) in parts {
                    if *offset != whole.length() {
                        return None;
                    }
                    digests.extend(offset / BLOCK, &part.digests);
                    whole.append(&part.pieces);
                }
                (Some(whole.length()) == *end).then(|| Blob::new(spill, whole, digests.content_hash()))
            }
        }
    }
}
