#!/usr/bin/env bash
# Sets up what is missing and runs every check of a change: lints, all tests (generated cases, simulated clouds, real mounts and
# kills among them), and the public file system suites.
#
#   scripts/test.sh             lint unit simulate kill conformance macos
#   scripts/test.sh STAGE ...   only these; also: clients
#
# macos compiles and lints for the Apple targets; the first time it downloads a compiler for them (140 MB) and builds for some
# minutes. It needs Debian 12 on x86-64 and is passed over elsewhere. simulate and kill are longer runs of tests that unit has, too;
# scripts/simulate.sh and scripts/killloop.sh make runs of any length.
. "$(dirname "$0")/lib.sh"

stage_lint() {
  cargo fmt --check
  cargo clippy --quiet --workspace --all-targets --all-features -- -D warnings
  RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --workspace
}

stage_unit() {
  need_fuse
  # A session with a real key store, for the tests of signing in; they start it themselves.
  need dbus-daemon dbus dbus-send dbus-bin gnome-keyring-daemon gnome-keyring secret-tool libsecret-tools \
    desktop-file-validate desktop-file-utils xdg-mime xdg-utils curl curl setcap libcap2-bin
  if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace
  else
    cargo test --workspace
  fi
}

stage_macos() {
  if [ "$(uname -m)" = x86_64 ] && grep -q '^VERSION_CODENAME=bookworm$' /etc/os-release 2>/dev/null; then
    export CHECK_MACOS_CACHE=${CHECK_MACOS_CACHE:-${CARGO_TARGET_DIR:-target}/check-macos}
    scripts/check-macos.sh --clippy -- --lib --bins -- -D warnings
  else
    say "the Apple targets can be checked on Debian 12 on x86-64 only: passed over"
  fi
}
stage_simulate() {
  scripts/simulate.sh planner --cases 50000
  scripts/simulate.sh engine --seeds 500
}
stage_conformance() { need_fuse; scripts/conformance.sh; }
# Third-party programs against the simulator.
stage_clients() { scripts/clients.sh; }
stage_kill() { need_fuse; scripts/killloop.sh 30; }

need_build
stages=("$@")
[ ${#stages[@]} -gt 0 ] || stages=(lint unit simulate kill conformance macos)
for stage in "${stages[@]}"; do
  declare -F "stage_$stage" >/dev/null || die "unknown stage: $stage" "one of: lint unit clients macos simulate conformance kill"
  started=$SECONDS
  say "== $stage"
  "stage_$stage"
  say "== $stage passed in $((SECONDS - started)) s"
done
