//! Local-only names: rule packs and why a name matches.
