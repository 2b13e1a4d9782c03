#!/usr/bin/env bash
# Kills the daemon with -9 while an application works on a real mount, again and again, and checks after each restart that nothing
# acknowledged is lost; then the same with power cuts, one for every five kills: the daemon's disk forgets what was not synced; with a
# crash at each of the points that the program names (sys/failpoint.rs); and with a disk that fails, once for every kill.
#
#   scripts/killloop.sh [KILLS] [SEED]      200 kills, seed 1
#
# A failure keeps the folders of its device and shows what was done and what the daemon logged.
. "$(dirname "$0")/lib.sh"
need_build
need_fuse
kills=${1:-200}
export VAULTFS_KILLS=$kills VAULTFS_CUTS=$(((kills + 4) / 5)) VAULTFS_SEED=${2:-1}
export VAULTFS_VISITS=$((kills / 25 + 2)) VAULTFS_DISK_FAULTS=$kills
exec cargo test --quiet --test crash -- --nocapture
