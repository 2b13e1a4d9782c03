//! The limits of bandwidth as the settings have them at the moment: by number, and by the clock.

use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::watch;

use crate::config::Settings;
use crate::config::schedule::Limits;
use crate::provider::{Bandwidth, Rate};
use crate::types::{Clock, Timestamp};

/// Limits that follow the settings of a vault and the local time.
pub(super) fn follow(settings: &watch::Receiver<Settings>, clock: &Arc<dyn Clock>) -> Arc<Bandwidth> {
    let rate = |general: fn(&Settings) -> u64, scheduled: fn(Limits) -> Option<u64>| {
        let (settings, clock) = (settings.clone(), Arc::clone(clock));
        Rate::new(move || {
            let settings = settings.borrow();
            scheduled(limits_at(&settings, clock.now())).unwrap_or_else(|| general(&settings))
        })
    };
    let up = rate(|settings| settings.bandwidth.up, |limits| limits.up);
    let down = rate(|settings| settings.bandwidth.down, |limits| limits.down);
    let settings = settings.clone();
    Arc::new(Bandwidth::new(up, down, move || settings.borrow().bandwidth.limit_demand))
}

fn limits_at(settings: &Settings, now: Timestamp) -> Limits {
    // A time that no calendar has is a clock that is wrong.
    let Ok(now) = jiff::Timestamp::from_nanosecond(now.0.into()) else { return Limits::default() };
    settings.bandwidth.schedule.limits_at(now.to_zoned(TimeZone::system()).datetime())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Instant;

    use super::*;
    use crate::config::Schedule;

    struct SetClock(Mutex<Timestamp>);

    impl Clock for SetClock {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }

        fn monotonic(&self) -> Instant {
            Instant::now()
        }
    }

    /// So many hours after a local midnight.
    fn local(hour: i8) -> Timestamp {
        let time = jiff::civil::date(2026, 3, 2).at(hour, 30, 0, 0).to_zoned(TimeZone::system()).unwrap();
        Timestamp(i64::try_from(time.timestamp().as_nanosecond()).unwrap())
    }

    #[test]
    fn limits_follow_the_settings_and_the_clock_while_they_are_in_use() {
        let clock = Arc::new(SetClock(Mutex::new(local(7))));
        let mut settings = Settings::defaults("studio");
        settings.bandwidth.down = 9;
        settings.bandwidth.schedule = Schedule::parse("daily 08:00-18:00 up 512").unwrap();
        let sender = watch::Sender::new(settings.clone());
        let shared: Arc<dyn Clock> = Arc::<SetClock>::clone(&clock);
        let bandwidth = follow(&sender.subscribe(), &shared);
        assert_eq!((bandwidth.up.limit(), bandwidth.down.limit(), bandwidth.limits_demand()), (0, 9, false));
        *clock.0.lock().unwrap() = local(8);
        assert_eq!((bandwidth.up.limit(), bandwidth.down.limit()), (512, 9));
        settings.bandwidth.limit_demand = true;
        settings.bandwidth.schedule = Schedule::default();
        sender.send_replace(settings);
        assert_eq!((bandwidth.up.limit(), bandwidth.down.limit(), bandwidth.limits_demand()), (0, 9, true));
    }
}
