//! Cursors: opaque to clients, complete in themselves, usable any number of times.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Every cursor is at least so many bytes before it becomes text.
const LEAST: usize = 160;

/// A place in a listing or in its changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListCursor {
    /// Whose.
    pub(crate) account: String,
    /// Root of the view.
    pub(crate) root: u64,
    /// The folder's namespace and lowered path in it.
    pub(crate) ns: u64,
    pub(crate) path: String,
    pub(crate) options: ListOptions,
    /// Changes after this one are new.
    pub(crate) since: u64,
    /// Where the first listing goes on: a segment and the last path given of it.
    pub(crate) position: Option<(usize, String)>,
    /// Cursors of another epoch are reset.
    pub(crate) epoch: u32,
}

/// What a listing was asked to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of the call")]
pub(crate) struct ListOptions {
    pub(crate) recursive: bool,
    pub(crate) deleted: bool,
    pub(crate) mounted: bool,
    pub(crate) cloud_documents: bool,
    pub(crate) limit: Option<u64>,
}

impl ListCursor {
    pub(crate) fn encode(&self) -> String {
        let body = serde_json::to_vec(self).unwrap_or_default();
        let mut bytes = vec![0, 0];
        bytes.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(&Sha256::digest(&body)[..8]);
        bytes.extend(body.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
        let filler = Sha256::digest(&body);
        bytes.extend(filler.iter().cycle().take(LEAST.saturating_sub(bytes.len())));
        URL_SAFE.encode(bytes)
    }

    /// `None` for what is not one of our cursors.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE.decode(text).ok()?;
        let rest = bytes.strip_prefix(&[0, 0])?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (digest, rest) = rest.split_first_chunk::<8>()?;
        let body = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        let body: Vec<u8> = body.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        if Sha256::digest(&body)[..8] != *digest {
            return None;
        }
        serde_json::from_slice(&body).ok()
    }
}

/// Hides the inside of a cursor from whoever would be tempted to read it.
const KEY: [u8; 16] = *b"opaque, promised";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_look_like_those_of_the_service_and_garbage_is_none() {
        let cursor = ListCursor {
            account: "dbid:A".into(),
            root: 1,
            ns: 1,
            path: "/a".into(),
            options: ListOptions { recursive: true, deleted: false, mounted: true, cloud_documents: true, limit: None },
            since: 7,
            position: None,
            epoch: 0,
        };
        let text = cursor.encode();
        assert!(text.starts_with("AA") && text.len() > 200, "{text}");
        assert_eq!(ListCursor::decode(&text), Some(cursor));
        for garbage in ["", "AAAA", "not base64!", &text[..text.len() - 120], &text.replacen("AAAA", "AAAB", 1)] {
            assert_eq!(ListCursor::decode(garbage), None, "{garbage}");
        }
    }
}
