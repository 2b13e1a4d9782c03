//! Behaviour of the whole fetcher, on virtual time.

mod fake;
mod flight;
mod integrity;
mod real;
mod streaming;
mod stress;
