#!/usr/bin/env bash
# Real third-party clients against the Dropbox simulator: the official Python and JavaScript SDKs, and rclone.
#
#   scripts/clients.sh [python|rclone|javascript] ...    all without arguments
#
# They are installed once, in pinned versions, into target/clients. Where one cannot be installed this says so loudly and goes on
# without it; with CI=true it fails.
. "$(dirname "$0")/lib.sh"

export CLIENTS=$CACHE/javascript

install_javascript() {
  rm -rf "$CLIENTS"
  mkdir -p "$CLIENTS" && cp tests/clients/package.json "$CLIENTS" &&
    npm install --prefix "$CLIENTS" --ignore-scripts --no-audit --no-fund --no-package-lock
}

python_tests() { # python_tests FILE: one file of tests, with the clients' own interpreter
  python_clients || return 0
  RCLONE=$CACHE/python/bin/rclone PYTHONDONTWRITEBYTECODE=1 "$CACHE/python/bin/python" -W error::ResourceWarning \
    "tests/clients/$1"
}

run_python() { python_tests test_python_sdk.py; }
run_rclone() { python_tests test_rclone.py; }
run_javascript() {
  install_client javascript tests/clients/package.json install_javascript || return 0
  node --test tests/clients/javascript_sdk.test.mjs
}

need_build
need python3 python3-venv node nodejs npm npm
cargo build --quiet -p cloud-sim
export CLOUD_SIM=${CARGO_TARGET_DIR:-$ROOT/target}/debug/cloud-sim

clients=("$@")
[ ${#clients[@]} -gt 0 ] || clients=(python rclone javascript)
for client in "${clients[@]}"; do
  declare -F "run_$client" >/dev/null || die "unknown client: $client" "one of: python rclone javascript"
  say "-- $client"
  "run_$client"
done
if [ ${#missing[@]} -gt 0 ]; then
  [ "${CI:-}" != true ] || die "could not be installed: ${missing[*]}"
  say "!! tests were left out: ${missing[*]}"
fi
