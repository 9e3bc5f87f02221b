#!/bin/sh
# Compiles stock uci (2021) with plain `cc -O2` to OUTDIR/uci, and libuci with c/uci_peer.c to
# OUTDIR/libuci-peer.so, as peers to measure against.
# An installed one, named by CMS_STOCK_UCI, is linked to instead. The sources come from the crates.io
# package libuci-sys, pinned in Cargo.lock; none of them is kept here.
# Exit codes: 0 there, 1 failed, 2 usage, 3 skipped because the sources or a C compiler cannot be had.
set -eu

[ $# -eq 1 ] || { echo "usage: stock-uci.sh OUTDIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)

skip() { echo "stock-uci: skipped: $1" >&2; exit 3; }

if [ -n "${CMS_STOCK_UCI:-}" ]; then
    ln -sf "$(realpath "$CMS_STOCK_UCI")" "$out/uci"
    exit 0
fi

# Prints the directory of the package; cargo fetches it first where it may.
find_source() {
    cargo metadata "$@" --locked --format-version 1 --manifest-path "$here/Cargo.toml" 2>/dev/null |
        tr ',' '\n' | sed -n 's|.*"manifest_path":"\(.*/libuci-sys-[0-9.]*\)/Cargo.toml".*|\1|p' | head -n 1
}

command -v "${CC:-cc}" >/dev/null || skip "no C compiler"
source=$(find_source --offline || true)
[ -d "$source/uci" ] || source=$(find_source || true)
[ -d "$source/uci" ] && [ -d "$source/libubox" ] || skip "the package libuci-sys cannot be fetched"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -R "$source/uci" "$source/libubox" "$scratch/"
cd "$scratch"
: > uci_config.h
units=
for unit in cli delta file libuci util blob parse; do units="$units uci/$unit.c"; done
for unit in avl avl-cmp blob blobmsg utils md5 vlist kvlist; do units="$units libubox/$unit.c"; done
# shellcheck disable=SC2086
"${CC:-cc}" -O2 -w -D_GNU_SOURCE -Iuci -I. -DUCI_PREFIX='"/usr"' $units -o "$out/uci" ||
    skip "the sources do not compile here"
# libuci as a peer of the read path; without it that peer is left out.
# shellcheck disable=SC2086
"${CC:-cc}" -O2 -w -fPIC -shared -D_GNU_SOURCE -Iuci -I. -DUCI_PREFIX='"/usr"' ${units# uci/cli.c} "$here/c/uci_peer.c" \
    -o "$out/libuci-peer.so" || echo "stock-uci: libuci does not compile as a library" >&2
