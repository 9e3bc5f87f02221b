#!/bin/sh
# Walks through the main job on a copy of a router's configuration: docs/demo.sh PATH-TO-CMS
set -eu
cms=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$here/demo" "$work/config"
export CMS_CONFIG_DIR="$work/config" CMS_SAVE_DIR="$work/save" CMS_RUN_DIR="$work/run" CMS_STATE_DIR="$work/state"
PATH=$(dirname "$cms"):$PATH

# Prints a command, runs it, and checks its exit code.
run() {
    want=$1
    shift
    printf '\n$ %s\n' "$*"
    code=0
    "$@" 2>&1 || code=$?
    [ "$code" = "$want" ] || { echo "demo: exit code $code instead of $want" >&2; exit 1; }
    [ "$code" = 0 ] || echo "[exit $code]"
}

echo "A copy of a router's configuration: $(ls "$work/config" | tr '\n' ' ')"
run 0 cms get network.lan.ipaddr
run 0 cms get 'firewall.@rule[name=Allow-Ping].target'
echo; echo "# Changes are staged, until they are committed."
run 0 cms set network.lan.ipaddr=192.168.7.1 network.lan.dns=192.168.7.1
run 0 cms add_list network.lan.dns=9.9.9.9
run 0 cms changes
run 1 cms diff network
run 0 cms commit -v -m "the printer moved" network
echo; echo "# Comments and layout of the file are as they were:"
run 0 sed -n 1,16p "$work/config/network"
echo; echo "# Every change is in the log, those made with an editor too; it can be explained and undone."
sed -i "s/192.168.7.1'/192.168.8.1'/" "$work/config/network"
run 0 cms history network.lan
run 0 cms undo -q
run 0 cms get network.lan.ipaddr
run 0 cms get --at -1 network.lan.ipaddr
run 0 cms snapshot known-good
echo; echo "# Schemas of OpenWrt's packages say what values are right. They are installed; here they are named."
export CMS_SCHEMA_DIR="$here/../src/schema/openwrt"
run 3 cms set --commit network.lan.ipaddr=192.168.7
run 0 cms get network.lan.ipaddr
run 3 cms schema check-type 'list(or(cidr4, "any"))' '192.0.2.0/24 all'
run 0 cms validate network firewall system
echo; echo "# A mistake in an editor is found, with its place. Other packages go on working, and the file is left alone."
printf "config dnsmasq\n\toption domain 'lan\n" > "$work/config/dhcp"
run 3 cms validate
run 0 cms get system.@system[0].hostname
echo; echo "# Find things; hand them to other programs."
run 3 cms search --regex '192\.168\.[0-9]+'
run 0 cms export network --format json
run 0 cms get --sh network.lan.ipaddr network.lan.dns
echo; echo "# The same binary is stock uci."
run 0 cms uci -c "$work/config" -t "$work/save" show network.lan
