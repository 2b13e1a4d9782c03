//! Which parts of an upload session the service has confirmed, and how that is remembered in the opaque id of a session.

use std::collections::BTreeMap;

use super::config::PART_UNIT_BYTES;
use crate::provider::UploadSession;

/// What is put before the service's id of a session, so that another kind of session can be told from it later.
const CONCURRENT: &str = "concurrent:";
/// Between the service's id and the stretches that were confirmed out of order. No id holds one.
const BEYOND: char = ' ';

/// What is there. Parts travel side by side: one that is late leaves a hole.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Confirmed {
    /// Everything before this.
    until: u64,
    /// And these stretches, end by start; none touches another or what is before `until`.
    beyond: BTreeMap<u64, u64>,
}

/// A run of bytes that are all there, or all missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stretch {
    pub(super) is_there: bool,
    pub(super) end: u64,
}

impl Confirmed {
    /// The service's id of a session that an earlier attempt left behind, and what it has confirmed, if it can be continued.
    pub(super) fn of(session: &UploadSession, size: u64) -> Option<(String, Self)> {
        let text = session.id.strip_prefix(CONCURRENT)?;
        let (id, beyond) = text.split_once(BEYOND).unwrap_or((text, ""));
        let mut confirmed = Self { until: session.offset, beyond: BTreeMap::new() };
        for stretch in beyond.split(',').filter(|stretch| !stretch.is_empty()) {
            let (start, end) = stretch.split_once('-')?;
            let (start, end) = (start.parse().ok()?, end.parse().ok()?);
            let is_stretch = start < end && end < size && is_unit(start) && is_unit(end);
            is_stretch.then(|| confirmed.add(start, end))?;
        }
        let is_place = session.offset == size || session.offset < size && is_unit(session.offset);
        is_place.then(|| (id.to_owned(), confirmed))
    }

    /// To be remembered with the service's id of the session.
    pub(super) fn as_session(&self, id: &str) -> UploadSession {
        let stretches: Vec<String> = self.beyond.iter().map(|(start, end)| format!("{start}-{end}")).collect();
        let separator = if stretches.is_empty() { String::new() } else { BEYOND.to_string() };
        UploadSession { id: format!("{CONCURRENT}{id}{separator}{}", stretches.join(",")), offset: self.until }
    }

    /// Adds a part.
    pub(super) fn add(&mut self, mut start: u64, mut end: u64) {
        if let Some((before, its_end)) = self.beyond.range(..=start).next_back().map(|(at, end)| (*at, *end))
            && its_end >= start
        {
            self.beyond.remove(&before);
            (start, end) = (before, end.max(its_end));
        }
        while let Some((after, its_end)) = self.beyond.range(start..=end).next().map(|(at, end)| (*at, *end)) {
            self.beyond.remove(&after);
            end = end.max(its_end);
        }
        if start <= self.until {
            self.until = self.until.max(end);
        } else {
            self.beyond.insert(start, end);
        }
    }

    /// The run that begins at `at`.
    pub(super) fn stretch(&self, at: u64) -> Stretch {
        if at < self.until {
            return Stretch { is_there: true, end: self.until };
        }
        match self.beyond.range(..=at).next_back() {
            Some((_, end)) if *end > at => Stretch { is_there: true, end: *end },
            Some(_) | None => {
                let next = self.beyond.range(at..).next();
                Stretch { is_there: false, end: next.map_or(u64::MAX, |(start, _)| *start) }
            }
        }
    }

    /// How much is there.
    pub(super) fn bytes(&self) -> u64 {
        self.until + self.beyond.iter().map(|(start, end)| end - start).sum::<u64>()
    }

    /// Behind the last byte that is there.
    pub(super) fn end(&self) -> u64 {
        self.beyond.last_key_value().map_or(self.until, |(_, end)| *end)
    }
}

fn is_unit(at: u64) -> bool {
    at.is_multiple_of(PART_UNIT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: u64 = PART_UNIT_BYTES;

    fn with(parts: &[(u64, u64)]) -> Confirmed {
        let mut confirmed = Confirmed::default();
        parts.iter().for_each(|(start, end)| confirmed.add(start * UNIT, end * UNIT));
        confirmed
    }

    #[test]
    fn parts_grow_together_in_any_order() {
        for order in
            [[(0, 1), (1, 3), (3, 4), (4, 6)], [(3, 4), (4, 6), (0, 1), (1, 3)], [(4, 6), (1, 3), (3, 4), (0, 1)]]
        {
            let confirmed = with(&order);
            assert_eq!((confirmed.until, confirmed.beyond.len()), (6 * UNIT, 0), "{order:?}");
        }
        let holed = with(&[(0, 2), (5, 6), (8, 9), (6, 7)]);
        assert_eq!((holed.until, holed.bytes(), holed.end()), (2 * UNIT, 5 * UNIT, 9 * UNIT));
        let stretch = |at: u64| (holed.stretch(at * UNIT).is_there, holed.stretch(at * UNIT).end);
        assert_eq!([stretch(0), stretch(1)], [(true, 2 * UNIT); 2]);
        assert_eq!([stretch(2), stretch(4)], [(false, 5 * UNIT); 2]);
        assert_eq!([stretch(5), stretch(7)], [(true, 7 * UNIT), (false, 8 * UNIT)]);
        assert_eq!([stretch(8), stretch(9)], [(true, 9 * UNIT), (false, u64::MAX)]);
    }

    #[test]
    fn what_is_remembered_is_what_was_confirmed() {
        let size = 20 * UNIT + 5;
        for confirmed in [with(&[]), with(&[(0, 3)]), with(&[(2, 3), (5, 9)]), with(&[(0, 1), (4, 5)])] {
            let remembered = confirmed.as_session("pid_upload_session:a-b_c");
            let (id, again) = Confirmed::of(&remembered, size).unwrap();
            assert_eq!((id.as_str(), &again), ("pid_upload_session:a-b_c", &confirmed));
        }
        let whole = UploadSession { id: "concurrent:x".into(), offset: size };
        assert_eq!(Confirmed::of(&whole, size).unwrap().1.bytes(), size);
    }

    #[test]
    fn a_session_is_continued_where_a_part_may_begin_and_nowhere_else() {
        let size = 3 * UNIT + 5;
        let beyond = |text: &str| format!("concurrent:x {text}");
        for (id, offset) in [
            ("concurrent:x".to_owned(), 5),
            ("x".to_owned(), 0),
            ("concurrent:x".to_owned(), 4 * UNIT),
            (beyond("5-9"), 0),
            (beyond("nonsense"), 0),
            (beyond(&format!("{}-{}", 2 * UNIT, UNIT)), 0),
            (beyond(&format!("{UNIT}-{}", 4 * UNIT)), 0),
        ] {
            assert_eq!(Confirmed::of(&UploadSession { id: id.clone(), offset }, size), None, "{id} {offset}");
        }
    }
}
