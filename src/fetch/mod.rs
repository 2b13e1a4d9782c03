//! Turns missing blocks into provider reads.
