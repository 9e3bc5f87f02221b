#!/bin/sh
# Builds stock uci as a peer to measure against: stock-uci.sh OUTPUT
# CMS_STOCK_UCI=/path/to/uci takes an installed one instead. The sources come from the registry package
# libuci-sys, which ships stock uci of 2021 with libubox; nothing of them is kept in this repository.
set -eu
out=$1
here=$(cd "$(dirname "$0")" && pwd)
if [ -n "${CMS_STOCK_UCI:-}" ]; then
    cp "$CMS_STOCK_UCI" "$out"
    exit 0
fi
cargo fetch --quiet --locked --manifest-path "$here/Cargo.toml" || { echo "stock uci: cannot fetch its sources" >&2; exit 1; }
home=${CARGO_HOME:-$HOME/.cargo}
source=$(ls -d "$home"/registry/src/*/libuci-sys-1.0.5 2>/dev/null | head -n 1)
[ -n "$source" ] || { echo "stock uci: its sources are not in cargo's registry" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$source/uci" "$source/libubox" "$work"
cd "$work"
: > uci/uci_config.h
cc -O2 -w -D_GNU_SOURCE -Iuci -I. -DUCI_PREFIX='"/usr"' \
    uci/cli.c uci/delta.c uci/file.c uci/libuci.c uci/util.c uci/blob.c uci/parse.c \
    libubox/avl.c libubox/avl-cmp.c libubox/blob.c libubox/blobmsg.c libubox/utils.c libubox/md5.c \
    libubox/vlist.c libubox/kvlist.c -o "$out"
