//! Limits by the clock: `mon-fri 08:00-18:00 up 512 KiB down 2 MiB; daily 22:00-06:00 up 0 down 0`. The first window that the time is
//! in holds; outside of all of them, and for what a window does not name, the general limits hold.

use std::fmt;

use jiff::civil::{DateTime, Weekday};

use super::value::{RawValue, ValueError};

/// How "no schedule" is written.
const NONE: &str = "none";
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTES_OF_A_DAY: u16 = 24 * 60;

const WRONG: ValueError = ValueError::Refused(
    "expected \"none\", or windows such as \"mon-fri 08:00-18:00 up 512 KiB down 2 MiB; sat,sun 10:00-12:00 down 0\"",
);

/// Windows of time with limits of their own.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Schedule {
    windows: Vec<Window>,
    text: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Window {
    /// From Monday.
    days: [bool; 7],
    /// Minutes since midnight; one that ends before it begins ends on the next day.
    from: u16,
    to: u16,
    limits: Limits,
}

/// Limits of a window, in bytes per second; 0: none. `None`: the general limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// To the provider.
    pub up: Option<u64>,
    /// From the provider.
    pub down: Option<u64>,
}

impl Schedule {
    /// Reads a schedule.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let text = text.trim();
        if text.eq_ignore_ascii_case(NONE) {
            return Ok(Self::default());
        }
        let windows = text.split(';').map(|window| parse_window(window).ok_or(WRONG)).collect::<Result<_, _>>()?;
        Ok(Self { windows, text: text.to_owned() })
    }

    /// The limits that hold at a local time.
    pub fn limits_at(&self, time: DateTime) -> Limits {
        let found = self.windows.iter().find(|window| window.holds_at(time));
        found.map(|window| window.limits).unwrap_or_default()
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.windows.is_empty() { NONE } else { &self.text })
    }
}

impl Window {
    fn holds_at(&self, time: DateTime) -> bool {
        let minute = u16::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute())).unwrap_or_default();
        let is_on = |day: Weekday| self.days[usize::try_from(day.to_monday_zero_offset()).unwrap_or_default()];
        let today = time.weekday();
        if self.from < self.to {
            return is_on(today) && (self.from..self.to).contains(&minute);
        }
        (is_on(today) && minute >= self.from) || (is_on(today.previous()) && minute < self.to)
    }
}

/// `[DAYS] HH:MM-HH:MM [up RATE] [down RATE]`
fn parse_window(text: &str) -> Option<Window> {
    let mut words = text.split_whitespace().peekable();
    let days = match words.peek()? {
        word if word.contains(':') => [true; 7],
        word => {
            let days = parse_days(word)?;
            words.next();
            days
        }
    };
    let (from, to) = words.next()?.split_once('-')?;
    let (from, to) = (parse_minute(from)?, parse_minute(to)?);
    if from == to || from == MINUTES_OF_A_DAY {
        return None;
    }
    let mut limits = Limits::default();
    while let Some(which) = words.next() {
        let limit = match which.to_ascii_lowercase().as_str() {
            "up" => &mut limits.up,
            "down" => &mut limits.down,
            _ => return None,
        };
        // The unit may stand apart from its number.
        let mut rate = words.next()?.to_owned();
        if let Some(unit) = words.next_if(|word| !["up", "down"].iter().any(|which| word.eq_ignore_ascii_case(which))) {
            rate.push_str(unit);
        }
        if limit.replace(RawValue::Text(rate).rate().ok()?).is_some() {
            return None;
        }
    }
    (limits != Limits::default()).then_some(Window { days, from, to, limits })
}

/// `daily`, `mon`, `mon-fri`, `sat,sun`
fn parse_days(text: &str) -> Option<[bool; 7]> {
    let text = text.to_ascii_lowercase();
    if text == "daily" {
        return Some([true; 7]);
    }
    let day = |name: &str| DAYS.iter().position(|day| *day == name);
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let length = (last + 7 - first) % 7;
        (0..=length).for_each(|step| days[(first + step) % 7] = true);
    }
    Some(days)
}

/// Minutes since midnight; `24:00` is the end of the day.
fn parse_minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    let (hour, minute) = (number(hour)?, number(minute).filter(|minute| *minute < 60)?);
    Some(hour * 60 + minute).filter(|minute| hour <= 24 && *minute <= MINUTES_OF_A_DAY)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    /// 2026-03-02 is a Monday.
    fn at(day: i8, hour: i8, minute: i8) -> DateTime {
        date(2026, 3, 1 + day).at(hour, minute, 0, 0)
    }

    const fn limits(up: Option<u64>, down: Option<u64>) -> Limits {
        Limits { up, down }
    }

    #[test]
    fn the_first_window_that_the_time_is_in_holds() {
        let schedule = Schedule::parse(
            "mon-fri 08:00-18:00 up 512 KiB/s down 2MiB; sat,sun 00:00-24:00 up 0; 22:30-06:00 down 1 MiB",
        )
        .unwrap();
        let (work, weekend, night) =
            (limits(Some(512 << 10), Some(2 << 20)), limits(Some(0), None), limits(None, Some(1 << 20)));
        for (day, hour, minute, expected) in [
            (1, 8, 0, work),
            (1, 7, 59, Limits::default()),
            (5, 17, 59, work),
            (5, 18, 0, Limits::default()),
            (5, 22, 30, night),
            (6, 0, 0, weekend),
            (7, 23, 59, weekend),
            (8, 0, 0, night),
            (8, 5, 59, night),
            (8, 6, 0, Limits::default()),
        ] {
            assert_eq!(schedule.limits_at(at(day, hour, minute)), expected, "day {day}, {hour}:{minute}");
        }
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let schedule = Schedule::parse("fri 22:00-02:00 up 1K").unwrap();
        let holds = |day, hour| schedule.limits_at(at(day, hour, 0)) != Limits::default();
        assert_eq!(
            [holds(5, 21), holds(5, 22), holds(6, 1), holds(6, 2), holds(5, 1)],
            [false, true, true, false, false]
        );
        let weekend = Schedule::parse("sat-mon 10:00-11:00 up 1K").unwrap();
        let days: Vec<i8> = (1..=7).filter(|day| weekend.limits_at(at(*day, 10, 30)).up.is_some()).collect();
        assert_eq!(days, [1, 6, 7]);
    }

    #[test]
    fn no_schedule_limits_nothing_and_every_schedule_is_written_as_it_was_read() {
        assert_eq!(Schedule::parse("none").unwrap(), Schedule::default());
        assert_eq!(Schedule::default().limits_at(at(1, 12, 0)), Limits::default());
        for text in ["none", "daily 08:00-18:00 up 1 MiB", "8:00-9:30 down 0; mon 9:30-10:00 up 5"] {
            assert_eq!(Schedule::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "",
            "always",
            "08:00-18:00",
            "08:00 up 1",
            "08:00-08:00 up 1",
            "08:00-25:00 up 1",
            "24:00-06:00 up 1",
            "08:60-09:00 up 1",
            "mon-someday 08:00-09:00 up 1",
            "08:00-09:00 up",
            "08:00-09:00 up much",
            "08:00-09:00 up 1 up 2",
            "08:00-09:00 sideways 1",
            "08:00-09:00 up 1;",
        ] {
            assert!(Schedule::parse(text).is_err(), "{text:?}");
        }
    }
}
