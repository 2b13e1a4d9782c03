//! Observing: everything that the provider tells becomes rows of R, through one door, whether it comes from the change feed, from a
//! listing, from a look at one entry, or as the answer to our own call.
//!
//! A batch is folded to one last word per remote id ([`fold`]), checked against R for what cannot be true ([`arrange`]), the doubts
//! are cleared by asking the provider, and then the whole batch is applied in one transaction ([`apply`]). R is a state, not a log:
//! applying a batch twice changes nothing. Of a long run of the feed most is taken in before its end ([`Intake`]).

mod apply;
mod arrange;
mod fold;
mod intake;
#[cfg(test)]
mod intake_tests;
#[cfg(test)]
mod tests;

pub(crate) use apply::apply;
pub(crate) use arrange::{Arrangement, Identity, arrange, same_body};
pub(crate) use fold::{Batch, fold};
pub(crate) use intake::{Around, Intake};
