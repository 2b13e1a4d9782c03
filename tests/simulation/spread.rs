//! Seeds, spread over the processors.

use std::num::NonZero;
use std::ops::Range;
use std::sync::Mutex;

/// What a variable says; a number or nothing.
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// The seeds that two variables ask for: which one first (alone, unless a number is given too), and how many.
pub(crate) fn wanted(first: &str, count: &str, usual: u64) -> Range<u64> {
    let chosen = number(first);
    let count = number(count).unwrap_or(if chosen.is_some() { 1 } else { usual });
    let first = chosen.unwrap_or(1);
    first..first + count
}

/// Runs every seed; what came of each, in their order.
pub(crate) fn over<T: Send>(mut seeds: Range<u64>, run: impl Fn(u64) -> T + Sync) -> Vec<(u64, T)> {
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    let next = Mutex::new(&mut seeds);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let Some(seed) = next.lock().unwrap().next() else { return };
                    let outcome = run(seed);
                    done.lock().unwrap().push((seed, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(seed, _)| *seed);
    done
}
