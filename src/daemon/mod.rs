//! The daemon: start order and its reverse; builds every vault from the layers below.
