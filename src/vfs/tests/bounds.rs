//! How long a caller waits.

use super::*;

const MIB: u64 = 1 << 20;

#[test]
fn the_page_that_the_kernel_asks_for_after_reading_ahead_is_not_waited_for_again() {
    let world = World::new();
    let row = world.cold_file("take.wav", 8 * MIB);
    let (handle, stream) = (world.open(&row), 1);
    world.provider_hangs(true);
    let timed_out = |offset, size| {
        let error = world.try_read(handle, offset, size).unwrap_err();
        assert!(matches!(error, FsError::Fetch(FetchError::TimedOut(_))), "{error}");
        world.told()
    };
    assert_eq!(timed_out(MIB, 128 * 1024), [Told::Fetch { stream }]);
    assert_eq!(timed_out(2 * MIB, 128 * 1024), [Told::Fetch { stream }]);
    for page in [MIB, MIB + 4096, 2 * MIB, 2 * MIB + 124 * 1024] {
        assert_eq!(timed_out(page, 4096), [], "of two requests that ended");
    }
    assert_eq!(timed_out(4 * MIB, 4096), [Told::Fetch { stream }], "elsewhere nobody has waited yet");

    world.time_passes(Duration::from_secs(1));
    assert_eq!(timed_out(MIB, 4096), [Told::Fetch { stream }], "somebody else asks");
    world.provider_hangs(false);
    world.time_passes(Duration::from_secs(1));
    assert_eq!(world.read(handle, MIB, 4096), vec![byte_at(MIB); 4096]);
}
