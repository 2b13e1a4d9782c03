#!/usr/bin/env bash
# Sets up what is missing, builds, and shows vaultfs at work in a minute: two devices of one simulated Dropbox account behind a slow
# link, in a temporary folder, with daemons of their own.
#
#   scripts/demo.sh [--fast] [--chaos [--seed NUMBER]] [--keep DIR]      as `vaultfs demo --help` says
. "$(dirname "$0")/lib.sh"
need_build
need_fuse
say "building (minutes the first time)"
cargo build --quiet --workspace --bin vaultfs --bin cloud-sim
exec "${CARGO_TARGET_DIR:-$ROOT/target}/debug/vaultfs" demo "$@"
