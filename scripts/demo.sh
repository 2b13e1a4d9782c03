#!/usr/bin/env bash
# Sets up what is missing, builds, and shows vaultfs at work in a minute: a generated vault behind a slow link, in a temporary
# folder, with a daemon of its own.
#
#   scripts/demo.sh [--fast] [--keep DIR]      as `vaultfs demo --help` says
. "$(dirname "$0")/lib.sh"
need_build
need_fuse
say "building (minutes the first time)"
cargo build --quiet --bin vaultfs
exec "${CARGO_TARGET_DIR:-$ROOT/target}/debug/vaultfs" demo "$@"
