#!/usr/bin/env bash
# Long runs of the generated tests. A failing seed prints the command that replays it.
#
#   scripts/simulate.sh planner [--cases N] [--seed FIRST]    the planner alone: pairs of perturbed trees
#   scripts/simulate.sh engine  [--seeds N] [--seed FIRST]    whole engines on a simulated cloud, virtual time
#   scripts/simulate.sh kills   [--cases N] [--seed FIRST]    one engine, its calls stopped, cut off and killed at every boundary
#
# VAULTFS_SIM_LOG=vaultfs=debug shows what the engines of a seed do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# run COUNT LONG ...: a long run is worth some minutes of building this crate optimised (and this crate alone: a release build of every
# dependency would take longer still); a short one uses the build of the other tests.
run() {
  local count=$1 long=$2 optimised=()
  shift 2
  [ "$count" -lt "$long" ] || optimised=(--config 'profile.dev.opt-level=3')
  exec cargo test --quiet "${optimised[@]}" "$@" -- --nocapture
}

what=${1:-}
[ $# -gt 0 ] && shift
count='' first=''
while [ $# -gt 0 ]; do
  case $1 in
    --cases | --seeds) count=${2:?a number} ;;
    --seed) first=${2:?a number} ;;
    *) usage ;;
  esac
  shift 2
done

# how_many USUAL: what was asked for; a seed alone is one.
how_many() { [ -n "$count" ] || count=$([ -n "$first" ] && echo 1 || echo "$1"); }

case $what in
  planner)
    how_many 1000000
    [ -z "$first" ] || export VAULTFS_PLANNER_SEED=$first
    VAULTFS_PLANNER_CASES=$count run "$count" 300000 --test planner every_case
    ;;
  engine)
    how_many 2000
    [ -z "$first" ] || export VAULTFS_SIM_SEED=$first
    VAULTFS_SIM_SEEDS=$count run "$count" 2000 --test simulation devices_converge
    ;;
  kills)
    how_many 10000
    [ -z "$first" ] || export VAULTFS_KILL_SEED=$first
    VAULTFS_KILL_CASES=$count run "$count" 5000 --test simulation a_device_that_is_alone
    ;;
  *) usage ;;
esac
