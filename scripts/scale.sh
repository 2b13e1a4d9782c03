#!/usr/bin/env bash
# Large vaults on real mounts: prints what they cost in time, processor time and memory, and fails if a bound of memory is broken.
#
#   scripts/scale.sh                     everything at full size; half an hour, and 10 GB of disk
#   scripts/scale.sh folder [ENTRIES]    one folder of 100,000 entries
#   scripts/scale.sh vault [NODES]       1,000,000 files in folders of 1,000
#   scripts/scale.sh sparse [MIB]        a sparse file of 4,224 MiB, two devices
#   scripts/scale.sh queue [FILES]       2,000 small files written at once
#   scripts/scale.sh cloud [FILES]       the same to a simulated Dropbox: how many calls and commits it takes
#   scripts/scale.sh change [FILES]      three changes after a baseline of 10,000 files
#   scripts/scale.sh upload [MIB]        an upload of 5,120 MiB to the simulated Dropbox, killed at half
. "$(dirname "$0")/lib.sh"
need_build
need_fuse

# part TEST [BINARY]
part() {
  say "== $1, $(uptime | sed 's/.*load average: /load /')"
  # Optimises this crate alone: a release build of every dependency would take longer than the run.
  cargo test --quiet --config 'profile.dev.opt-level=2' --test "${2:-scale}" "$1" -- --nocapture --test-threads=1 >&2
}

folder() { VAULTFS_SCALE_ENTRIES=${1:-100000} part folder; }
vault() { VAULTFS_SCALE_NODES=${1:-1000000} part vault; }
sparse() { VAULTFS_SCALE_SPARSE_MIB=${1:-4224} part sparse; }
queue() { VAULTFS_SCALE_FILES=${1:-2000} part queue::thousands; }
cloud() { VAULTFS_SCALE_CLOUD_FILES=${1:-2000} part accounts::many::thousands cli; }
change() { VAULTFS_SCALE_BASELINE=${1:-10000} part queue::three; }
upload() { VAULTFS_CLOUD_UPLOAD_MIB=${1:-5120} part large::a_killed_upload cloud; }

what=${1:-all}
[ $# -gt 0 ] && shift
case $what in
  folder | vault | sparse | queue | cloud | change | upload) "$what" "$@" ;;
  all) for each in folder vault sparse queue cloud change upload; do "$each"; done ;;
  *) die "unknown part: $what" "one of: folder vault sparse queue cloud change upload" ;;
esac
