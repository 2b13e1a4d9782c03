#!/usr/bin/env bash
# Kills the daemon with -9 while an application works on a real mount, again and again, and checks after each restart that
# nothing acknowledged is lost.
#
#   scripts/killloop.sh [KILLS] [SEED]      200 kills, seed 1
. "$(dirname "$0")/lib.sh"
need_build
need_fuse
VAULTFS_KILLS=${1:-200} VAULTFS_SEED=${2:-1} cargo test --quiet --test crash -- --nocapture
