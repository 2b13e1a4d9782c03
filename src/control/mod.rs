//! The control API: what the daemon answers to the command line, the web page and scripts.
//!
//! HTTP/1.1 with JSON on a Unix socket. [`protocol`] is the one definition of every request and answer, shared by
//! [`server`] and [`client`]; [`service`] is what the server asks of the daemon. This module knows no vault and no engine.

pub mod client;
pub mod events;
pub mod protocol;
pub mod server;
pub mod service;
pub mod socket;
