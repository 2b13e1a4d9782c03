#!/bin/sh
# Installs vaultfs for all users of this machine. Run it as root, after `cargo build --release --workspace`.
#
#   packaging/install.sh [--from FOLDER] [--root FOLDER]
#
# --from  where the built programs are; default: target/release beside this folder
# --root  installs below this folder instead of /, for packages; the package must then repeat the setcap line below when it is
#         installed, because archives do not keep capabilities
set -eu

here=$(cd "$(dirname "$0")" && pwd)
from=$here/../target/release
root=

die() { printf 'error: %s\nhint: %s\n' "$1" "$2" >&2; exit 1; }

while [ $# -gt 0 ]; do
  [ $# -gt 1 ] || die "$1 needs a folder" "packaging/install.sh [--from FOLDER] [--root FOLDER]"
  case $1 in
    --from) from=$2 ;;
    --root) root=${2%/} ;;
    *) die "unknown option: $1" "packaging/install.sh [--from FOLDER] [--root FOLDER]" ;;
  esac
  shift 2
done
for program in vaultfs vaultfs-mount-helper; do
  [ -x "$from/$program" ] || die "$from/$program is missing" "cargo build --release --workspace"
done

# The registrar and the program of mount(8) are one program in two copies, never links to each other: only the registrar may have
# the capability.
helper=$root/usr/libexec/vaultfs/vaultfs-mount-helper
install -D -m 755 "$from/vaultfs" "$root/usr/bin/vaultfs"
install -D -m 755 "$from/vaultfs-mount-helper" "$helper"
install -D -m 755 "$from/vaultfs-mount-helper" "$root/usr/sbin/mount.vaultfs"
# mount(8) looks in /sbin only, which on some systems is another folder.
if [ -d "$root/sbin" ] && [ "$(readlink -f "$root/sbin")" != "$(readlink -f "$root/usr/sbin")" ]; then
  install -m 755 "$from/vaultfs-mount-helper" "$root/sbin/mount.vaultfs"
fi
install -D -m 644 "$here/systemd/vaultfs.service" "$root/usr/lib/systemd/user/vaultfs.service"
install -D -m 644 "$here/linux/vaultfs-sign-in.desktop" "$root/usr/share/applications/vaultfs-sign-in.desktop"

setcap cap_sys_admin=ep "$helper" ||
  die "the helper has no capability: files work, but not at the speed of the disk below" \
    "as root, with the package libcap2-bin: setcap cap_sys_admin=ep $helper"
printf 'vaultfs is installed in %s\n' "${root:-/}"
