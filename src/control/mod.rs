//! The control API: protocol, server and client.
