//! The plan: what is done to which request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Fault, SpecError, spec};
use crate::random::Stream;

/// The faults of one service. Clones are the same plan.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    random: Stream,
    routes: Vec<&'static str>,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    next: VecDeque<(String, Fault)>,
    always: Vec<(String, Fault)>,
    chances: Vec<(String, f64, Fault)>,
}

impl Faults {
    pub(crate) fn new(seed: u64, routes: Vec<&'static str>) -> Self {
        Self(Arc::new(Inner { random: Stream::new(seed, "faults"), routes, plan: Mutex::default() }))
    }

    /// The next request to a route. Several wait for their turn in order. A route is `files/upload`, a family is `files/*`, and
    /// `*` is every one.
    ///
    /// # Panics
    /// On a route that the service does not have, here and in the other methods.
    pub fn next(&self, route: &str, fault: Fault) {
        self.times(1, route, fault);
    }

    /// The next so many requests to a route.
    pub fn times(&self, count: usize, route: &str, fault: Fault) {
        self.check(route);
        let mut plan = self.plan();
        for _ in 0..count {
            plan.next.push_back((route.to_owned(), fault.clone()));
        }
    }

    /// Every request to a route, until [`Faults::clear`].
    pub fn always(&self, route: &str, fault: Fault) {
        self.check(route);
        self.plan().always.push((route.to_owned(), fault));
    }

    /// Requests to a route by this chance each, seeded.
    pub fn by_chance(&self, route: &str, probability: f64, fault: Fault) {
        self.check(route);
        self.plan().chances.push((route.to_owned(), probability, fault));
    }

    /// Chances as one text: `drop-after=0.01,files/download:truncate=0.1,429(5)=0.02`.
    ///
    /// # Errors
    /// Where the text names no fault, no route or no probability.
    pub fn add_spec(&self, text: &str) -> Result<(), SpecError> {
        for (route, probability, fault) in spec::parse(text, |route| self.knows(route))? {
            self.by_chance(&route, probability, fault);
        }
        Ok(())
    }

    /// Nothing goes wrong any more.
    pub fn clear(&self) {
        *self.plan() = Plan::default();
    }

    /// How many of those planned by [`Faults::next`] and [`Faults::times`] have not met their request.
    pub fn waiting(&self) -> usize {
        self.plan().next.len()
    }

    /// What happens to this request to `route`.
    pub(crate) fn draw(&self, route: &str) -> Option<Fault> {
        if !self.0.routes.contains(&route) {
            return None;
        }
        let mut plan = self.plan();
        if let Some(at) = plan.next.iter().position(|(pattern, _)| matches(pattern, route)) {
            return plan.next.remove(at).map(|(_, fault)| fault);
        }
        if let Some((_, fault)) = plan.always.iter().find(|(pattern, _)| matches(pattern, route)) {
            return Some(fault.clone());
        }
        let chances = plan.chances.iter().filter(|(pattern, _, _)| matches(pattern, route));
        chances.into_iter().find(|(_, chance, _)| self.0.random.chance(*chance)).map(|(_, _, fault)| fault.clone())
    }

    /// A seeded position in something of this length.
    pub(crate) fn position(&self, length: u64) -> u64 {
        self.0.random.below(length)
    }

    pub(crate) fn knows(&self, pattern: &str) -> bool {
        self.0.routes.iter().any(|route| matches(pattern, route))
    }

    fn check(&self, pattern: &str) {
        assert!(self.knows(pattern), "no route is called `{pattern}`");
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn matches(pattern: &str, route: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(family) => route.starts_with(family),
        None => route == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults() -> Faults {
        Faults::new(3, vec!["files/upload", "files/download", "users/get_current_account"])
    }

    #[test]
    fn planned_faults_meet_their_route_in_order_and_once() {
        let faults = faults();
        faults.next("files/upload", Fault::Hang);
        faults.next("files/*", Fault::DropAfter);
        faults.times(2, "users/get_current_account", Fault::status(500));
        assert_eq!(faults.draw("files/download"), Some(Fault::DropAfter));
        assert_eq!(faults.draw("files/upload"), Some(Fault::Hang));
        assert_eq!(faults.draw("files/upload"), None);
        assert_eq!(faults.waiting(), 2);
        faults.clear();
        assert_eq!(faults.draw("users/get_current_account"), None);
    }

    #[test]
    fn chances_come_out_alike_for_a_seed() {
        let run = || {
            let faults = faults();
            faults.add_spec("files/upload:drop-after=0.3,429(5)=0.2").unwrap();
            (0..50).map(|_| faults.draw("files/upload")).collect::<Vec<_>>()
        };
        assert_eq!(run(), run());
        assert!(run().contains(&Some(Fault::DropAfter)) && run().contains(&Some(Fault::too_many_requests(5))));
    }

    #[test]
    #[should_panic(expected = "no route is called `files/downlod`")]
    fn a_route_that_does_not_exist_is_a_mistake_of_the_test() {
        faults().next("files/downlod", Fault::Hang);
    }
}
