//! The Dropbox simulator asked over HTTP: one test for each rule of the service, the ones that toy simulators break first of all.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod client;
mod contents;
mod control;
mod faults;
mod listing;
mod program;
mod relocating;
mod sessions;
mod sharing;
mod signing_in;
mod uploads;
mod wire;
