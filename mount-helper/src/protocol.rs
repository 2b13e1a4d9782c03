//! What the daemon and the registrar say to each other: datagrams of eight bytes, with descriptors beside them.
//!
//! See the [crate's documentation](crate) for the whole exchange.

/// First thing that a request to [`Request::Start`] says: both sides were built for the same exchange.
pub const VERSION: u32 = 1;

/// Length of every message, either way.
pub const MESSAGE_BYTES: usize = 8;

/// Most folders that a start may name.
pub const MAX_FOLDERS: usize = 8;

/// Most descriptors beside one message: the FUSE device and the folders.
pub const MAX_DESCRIPTORS: usize = 1 + MAX_FOLDERS;

/// Most backing files that are registered at one time. The kernel keeps each of them open, and no limit of the user counts them.
pub const MAX_LIVE: usize = 16_384;

/// What the daemon asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// First, and once. Beside it: the FUSE device, then folders on the file systems whose files may be registered.
    Start,
    /// Beside it: the file, open for reading and writing.
    Register,
    /// A backing file that is no longer needed.
    Close {
        /// What its registration answered.
        id: u32,
    },
}

const START: u32 = 1;
const REGISTER: u32 = 2;
const CLOSE: u32 = 3;

impl Request {
    /// The message.
    pub fn encode(self) -> [u8; MESSAGE_BYTES] {
        let (operation, argument) = match self {
            Self::Start => (START, VERSION),
            Self::Register => (REGISTER, 0),
            Self::Close { id } => (CLOSE, id),
        };
        pair(operation, argument)
    }

    /// Reads a message that arrived with so many descriptors. `None` is anything but one of the three.
    pub fn decode(message: &[u8], descriptors: usize) -> Option<Self> {
        let (operation, argument) = split(message)?;
        match (operation, argument, descriptors) {
            (START, VERSION, 2..=MAX_DESCRIPTORS) => Some(Self::Start),
            (REGISTER, 0, 1) => Some(Self::Register),
            (CLOSE, id, 0) => Some(Self::Close { id }),
            _ => None,
        }
    }
}

/// What the registrar answers: a value, or an error number as of `errno`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer(pub Result<u32, i32>);

impl Answer {
    /// The message.
    pub fn encode(self) -> [u8; MESSAGE_BYTES] {
        match self.0 {
            Ok(value) => pair(0, value),
            Err(error) => pair(error.unsigned_abs().max(1), 0),
        }
    }

    /// Reads an answer. `None` is anything that a registrar does not say.
    pub fn decode(message: &[u8]) -> Option<Self> {
        match split(message)? {
            (0, value) => Some(Self(Ok(value))),
            (error, 0) => Some(Self(Err(i32::try_from(error).ok()?))),
            _ => None,
        }
    }
}

fn pair(first: u32, second: u32) -> [u8; MESSAGE_BYTES] {
    (u64::from(first) << 32 | u64::from(second)).to_be_bytes()
}

fn split(message: &[u8]) -> Option<(u32, u32)> {
    let (first, second) = message.split_first_chunk()?;
    Some((u32::from_be_bytes(*first), u32::from_be_bytes(second.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_a_request_is_refused() {
        let close = Request::Close { id: 7 }.encode();
        assert_eq!(Request::decode(&close, 0), Some(Request::Close { id: 7 }));
        assert_eq!(Request::decode(&close, 1), None, "a descriptor too many");
        assert_eq!(Request::decode(&close[..7], 0), None, "too short");
        assert_eq!(Request::decode(&[&close[..], &[0]].concat(), 0), None, "too long");
        assert_eq!(Request::decode(&[], 0), None);
        assert_eq!(Request::decode(&pair(START, VERSION + 1), 2), None, "another version");
        assert_eq!(Request::decode(&pair(START, VERSION), 1), None, "a device without a folder");
        assert_eq!(Request::decode(&pair(START, VERSION), MAX_DESCRIPTORS + 1), None);
        assert_eq!(Request::decode(&pair(REGISTER, 0), 0), None);
        assert_eq!(Request::decode(&pair(REGISTER, 0), 2), None);
        assert_eq!(Request::decode(&pair(REGISTER, 1), 1), None, "an argument that means nothing");
        assert_eq!(Request::decode(&pair(0, 0), 0), None);
        assert_eq!(Request::decode(&pair(4, 0), 0), None);
    }

    proptest! {
        /// Whatever is accepted is exactly what the other side would have sent.
        #[test]
        fn only_canonical_requests_are_read(
            message in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..20),
                (0_u32..5, prop_oneof![0_u32..3, any::<u32>()]).prop_map(|(first, second)| pair(first, second).to_vec()),
            ],
            descriptors in 0_usize..12,
        ) {
            if let Some(request) = Request::decode(&message, descriptors) {
                prop_assert_eq!(request.encode().to_vec(), message.clone());
                prop_assert!(descriptors <= MAX_DESCRIPTORS);
            }
            if let Some(answer) = Answer::decode(&message) {
                prop_assert_eq!(answer.encode().to_vec(), message);
            }
        }

        #[test]
        fn answers_arrive(value in any::<u32>(), error in 1_i32..5000) {
            for answer in [Answer(Ok(value)), Answer(Err(error))] {
                prop_assert_eq!(Answer::decode(&answer.encode()), Some(answer));
            }
        }
    }
}
