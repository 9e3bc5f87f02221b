#!/bin/sh
# An hour of a C programmer who has cms.h and libcms(3), and nothing else: each program here was written from them, and
# is built as C99 with all warnings and run. The programs that the two documents print are built and run as well.
# Usage: run.sh INCLUDE-DIRECTORY LIBRARY-DIRECTORY MANUAL-PAGE
set -eu
here=$(cd "$(dirname "$0")" && pwd)
include=$1 lib=$2 page=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc=${CC:-cc}
export CMS_CONFIG_DIR="$work/config" CMS_SAVE_DIR="$work/save" CMS_RUN_DIR="$work/run" CMS_STATE_DIR="$work/state"
export LD_LIBRARY_PATH="$lib"

fresh() {
    rm -rf "$work/config" "$work/run" "$work/state" && mkdir "$work/config"
    printf '%s\n' "config interface 'lan'" "	option ipaddr '192.168.1.1'" "	option netmask '255.255.255.0'" \
        "	option mtu '1400'" "	option enabled 'yes'" "	option buffer '64k'" "	option weight 'heavy'" \
        "	option label 'the network of the office'" "	list dns '1.1.1.1'" "	list dns '8.8.8.8'" \
        "config route" "	option target '0.0.0.0/0'" > "$CMS_CONFIG_DIR/network"
    printf '%s\n' "config a 'a'" "	option b 'unfinished" > "$CMS_CONFIG_DIR/broken"
}
build() { # NAME SOURCE
    $cc -std=c99 -Wall -Wextra -Wpedantic -Werror -I"$include" "$2" -o "$work/$1" -L"$lib" -lcms
}
expect() { # NAME EXPECTED ACTUAL
    [ "$2" = "$3" ] && echo "$1: ok" && return
    printf '%s: expected\n%s\ngot\n%s\n' "$1" "$2" "$3"
    exit 1
}
task() { # NAME EXPECTED
    build "$1" "$here/$1.c"
    fresh
    expect "$1" "$2" "$("$work/$1")"
}
# Makes a program of the lines of an example, which begin after one of "cms_store *store;" and end with cms_close.
example() { # NAME LINES
    printf '#include <cms.h>\n#include <stdio.h>\n%s\nint main(void)\n{\n%s\nreturn 0;\n}\n' \
        '#define errx(code, ...) do { printf(__VA_ARGS__); return code; } while (0)' "$2" > "$work/$1.c"
    build "$1" "$work/$1.c"
    fresh
    expect "$1" 192.168.1.1 "$("$work/$1")"
}

example header "$(sed -n '/^ \*     cms_store \*store;/,/^ \*     cms_close/ s/^ \*//p' "$include/cms.h")"
example manual "$(sed -n '/^cms_store \*store;/,/^cms_close/ s/\\n/\\\\n/; /^cms_store \*store;/,/^cms_close/ p' "$page")"
task defaults "mtu 1400
metric 10 by default
enabled 1
buffer 65536
weight 0.5 by default
  CMS_ERR_TYPE, key 'network.lan.weight'
label 'the network of ' and 10 bytes more
mtu '1400' in line 4 is refused; using 1280
proto static by default"
task snapshot "network.lan.ipaddr is 192.168.1.1
network.lan.netmask is 255.255.255.0
network.lan.gateway is not set
dns 1.1.1.1
dns 8.8.8.8
now it is 10.9.9.9"
task iterate "interface lan ipaddr: '192.168.1.1'
interface lan netmask: '255.255.255.0'
interface lan mtu: '1400'
interface lan enabled: 'yes'
interface lan buffer: '64k'
interface lan weight: 'heavy'
interface lan label: 'the network of the office'
interface lan dns: '1.1.1.1' '8.8.8.8'
route target: '0.0.0.0/0'"
task change "guest 10.1.0.1
counted after 2 tries
count 101
the message names the option"
task history "network.lan.ipaddr by newcomer (moved): 192.168.1.1 -> 10.5.5.5
before it was 192.168.1.1
now it is 192.168.1.1 again"
task errors "CMS_ERR_PARSE: broken, line 2; column 11; with a hint
CMS_ERR_NOT_FOUND: without a hint
CMS_ERR_TYPE: network, line 9; with a hint
CMS_ERR_INVALID: without a hint
CMS_ERR_NOT_FOUND: with a hint"

build watch "$here/watch.c"
fresh
mkfifo "$work/input"
"$work/watch" < "$work/input" > "$work/watched" & watcher=$!
exec 3> "$work/input"
while ! grep -qs watching "$work/watched"; do sleep 0.05; done
# The program of another task makes changes meanwhile.
"$work/change" >/dev/null
while ! grep -qs 'network.lan.count is 101' "$work/watched"; do sleep 0.05; done
exec 3>&-
wait $watcher
expect watch "network.lan.label is deleted" "$(grep label "$work/watched")"
