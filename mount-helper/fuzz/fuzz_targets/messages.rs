//! Whatever bytes arrive, with whatever number of descriptors: what is read as a message is exactly what the other side would write.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vaultfs_mount_helper::protocol::{Answer, MAX_DESCRIPTORS, Request};

fuzz_target!(|input: (&[u8], u8)| {
    let (message, descriptors) = (input.0, usize::from(input.1));
    if let Some(request) = Request::decode(message, descriptors) {
        assert_eq!(request.encode(), message);
        assert!(descriptors <= MAX_DESCRIPTORS);
    }
    if let Some(answer) = Answer::decode(message) {
        assert_eq!(answer.encode(), message);
    }
});
