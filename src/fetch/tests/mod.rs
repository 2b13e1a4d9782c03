//! Behaviour of the whole fetcher, on virtual time.

mod fake;
mod flight;
mod integrity;
mod limits;
mod real;
mod resume;
mod streaming;
mod stress;
