//! The registry of vaults and their layouts.
