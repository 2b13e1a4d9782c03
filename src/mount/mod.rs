//! The FUSE adapter: decode, call, reply.
