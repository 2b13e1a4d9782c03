#!/usr/bin/env bash
# Long runs of the generated tests. A failing seed prints the command that replays it.
#
#   scripts/simulate.sh planner [--cases N] [--seed FIRST]    the planner alone: pairs of perturbed trees
#   scripts/simulate.sh engine  [--seeds N] [--seed FIRST]    whole engines on a simulated cloud, virtual time
#
# VAULTFS_SIM_LOG=vaultfs=debug shows what the engines of a seed do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }

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

case $what in
  planner)
    [ -z "$first" ] || export VAULTFS_PLANNER_SEED=$first
    export VAULTFS_PLANNER_CASES=${count:-$([ -n "$first" ] && echo 1 || echo 1000000)}
    # Optimises this crate alone: a release build of every dependency would take longer than the run.
    exec cargo test --quiet --config 'profile.dev.opt-level=3' --test planner every_case -- --nocapture
    ;;
  engine)
    [ -z "$first" ] || export VAULTFS_SIM_SEED=$first
    export VAULTFS_SIM_SEEDS=${count:-$([ -n "$first" ] && echo 1 || echo 2000)}
    exec cargo test --quiet --test simulation seeds -- --nocapture
    ;;
  *) usage ;;
esac
