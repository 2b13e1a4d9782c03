#!/usr/bin/env bash
# The public file system suites on a real mount: pjdfstest as root and fsx.
#
#   scripts/conformance.sh [pjdfstest|fsx] ...    both without arguments
#
# FSX_OPS (default 3000) and FSX_SEEDS (default "1 2") set the length of fsx; 5 seeds of 100,000 operations are
#   FSX_OPS=100000 FSX_SEEDS="1 2 3 4 5" scripts/conformance.sh fsx
. "$(dirname "$0")/lib.sh"

PJDFSTEST_VERSION=0.2.2
FSX_VERSION=0.3.2

work=$(mktemp -d /var/tmp/vaultfs-conformance.XXXXXX)
mount=$work/mnt
cleanup() {
  [ -n "${VAULTFS:-}" ] && "$VAULTFS" daemon stop >/dev/null 2>&1 || true
  fusermount3 -u -z -q "$mount" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

start() { # start OPTION...: a fresh vault, added with these options, on a mount
  need_build
  cargo build --quiet
  VAULTFS=${CARGO_TARGET_DIR:-$ROOT/target}/debug/vaultfs
  isolate "$work/xdg"
  mkdir -p "$work/remote" "$mount" "$work/second"
  "$VAULTFS" vault add conformance --provider local --path "$work/remote" "$@"
  "$VAULTFS" mount conformance "$mount"
}

run_pjdfstest() {
  [ "$(id -u)" = 0 ] || { say "pjdfstest needs root (it changes users): skipped"; return 0; }
  tool pjdfstest $PJDFSTEST_VERSION
  id tests >/dev/null 2>&1 || useradd --system --no-create-home tests
  chmod 755 "$work" "$mount"
  "$TOOLS/bin/pjdfstest" -c tests/mount/pjdfstest.toml -p "$mount" -s "$work/second" >"$work/pjdfstest.log" 2>&1 || {
    grep -A6 -E '(FAILED|UNEXPECTEDLY)$' "$work/pjdfstest.log" | head -n 60 >&2
    die "pjdfstest failed: $(tail -n 3 "$work/pjdfstest.log" | head -n 1)" "run it alone: scripts/conformance.sh pjdfstest"
  }
  grep '^Summary' "$work/pjdfstest.log"
}

run_fsx() {
  tool fsx $FSX_VERSION
  local config seed
  for config in tests/mount/fsx/*.toml; do
    for seed in ${FSX_SEEDS:-1 2}; do
      "$TOOLS/bin/fsx" -q -f "$config" -S "$seed" -N "${FSX_OPS:-3000}" -P "$work" "$mount/fsx.$seed" >"$work/fsx.log" 2>&1 || {
        tail -n 40 "$work/fsx.log" >&2
        die "fsx failed with $config, seed $seed" "replay: FSX_SEEDS=$seed scripts/conformance.sh fsx"
      }
      rm -f "$mount/fsx.$seed"
    done
    echo "fsx $(basename "$config" .toml): ${FSX_OPS:-3000} operations, seeds ${FSX_SEEDS:-1 2}: same bytes as the model"
  done
}

suites=("$@")
[ ${#suites[@]} -gt 0 ] || suites=(pjdfstest fsx)
if [ "$(id -u)" = 0 ]; then start --allow-other; else start; fi
for suite in "${suites[@]}"; do
  "run_$suite"
done
