#!/bin/sh
# Builds every example as strictly as the compilers can, with AddressSanitizer, and runs it on a configuration of
# its own. Usage: run.sh LIBRARY-DIRECTORY [small]; "small" runs what libcms-small.so must be able to do.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
lib=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
strict="-Wall -Wextra -Wpedantic -Werror -I$here/../include"
cc=${CC:-cc}
cxx=${CXX:-c++}
export CMS_CONFIG_DIR="$work/config" CMS_SAVE_DIR="$work/save" CMS_RUN_DIR="$work/run" CMS_STATE_DIR="$work/state"
export LD_LIBRARY_PATH="$lib" CMS_SMOKE_DIR="$work/past"

fresh() {
    rm -rf "$work/config" "$work/run" "$work/state" && mkdir -p "$work/config"
    printf '%s\n' "config interface 'lan'" "	option ipaddr '10.0.0.1'" "	option netmask '255.0.0.0'" \
        "	option mtu '1400'" "	option weight 'much'" "	option buffer '2M'" "	list dns '1.1.1.1'" \
        "	list dns '8.8.8.8'" "config route" "	option target '0.0.0.0/0'" > "$work/config/network"
    printf '%s\n' "config system" "	option hostname 'one'" > "$work/config/system"
}
smoke_store() {
    rm -rf "$work/config" "$work/run" "$work/past" "$work/state" && mkdir -p "$work/config" "$work/past/config"
    printf '%s\n' "config thing 's'" "	option name 'value'" "	option number '-42'" "	option truth 'on'" \
        "	option real '30.5'" "	option size '2k'" "	list list 'a'" "	list list 'b c'" "config other 'o'" \
        > "$work/config/t"
    printf '%s\n' "config thing 's'" "	option 'open" > "$work/config/bad"
}
build() { # NAME SOURCE FLAGS
    name=$1; source=$2; shift 2
    case $source in
        *.cc) $cxx -std=c++11 $strict -fsanitize=address -g "$@" "$here/$source" -o "$work/$name" -L"$lib" -lcms ;;
        *) $cc -std=c99 -Wc++-compat $strict -fsanitize=address -g "$@" "$here/$source" -o "$work/$name" -L"$lib" -lcms ;;
    esac
    # AddressSanitizer is really in.
    nm "$work/$name" | grep -q __asan_init || { echo "$name: built without AddressSanitizer"; exit 1; }
}
expect() { # NAME EXPECTED ACTUAL
    [ "$2" = "$3" ] && echo "$1: ok" && return
    printf '%s: expected\n%s\ngot\n%s\n' "$1" "$2" "$3"
    exit 1
}

for source in schema features read watch transaction history iterate table typed_struct daemon smoke nulls faults values types changes; do build $source $source.c; done
for source in smoke nulls values types changes; do build ${source}_cc $source.cc; done
build subscribe subscribe.c -pthread
build verify verify.c
build forked forked.c -pthread
build stress stress.c -std=c11 -Wno-c++-compat -pthread

fresh
mkdir -p "$work/schemas"
export CMS_SCHEMA_DIR="$work/schemas"
printf '%s\n' "config field" "	option section 'interface'" "	option name 'mtu'" "	option type 'range(68,9200)'" \
    > "$work/schemas/network"
expect schema "network.lan.mtu: '9201' is not allowed: expected a whole number from 68 to 9200 (rule type, line 4)
committed" "$("$work/schema" network.lan.mtu 9201 || true; "$work/schema" network.lan.mtu 1400)"
rm -r "$work/schemas"

fresh
expect read "address 10.0.0.1
mtu 1400
force_link 0
dns 1.1.1.1
dns 8.8.8.8" "$("$work/read")"
expect typed_struct "mtu 1400 metric 0 force_link 0 weight 1.0 buffer 2097152
malformed 1" "$("$work/typed_struct" 2>/dev/null)"
expect iterate "network
 interface lan
  lan.ipaddr '10.0.0.1'
  lan.netmask '255.0.0.0'
  lan.mtu '1400'
  lan.weight 'much'
  lan.buffer '2M'
  lan.dns '1.1.1.1' '8.8.8.8' (list)
 route cfg02c8b4 (anonymous)
  cfg02c8b4.target '0.0.0.0/0'
system
 system cfg01e48a (anonymous)
  cfg01e48a.hostname 'one'" "$("$work/iterate")"
expect table "user 1 is admin
by id: admin root guest
by name: admin guest root
before: admin guest root
now: admin guest superuser
guests: guest" "$("$work/table")"
fresh
if [ -e "$lib/libcms.a" ]; then
    # With the static library, and what pkg-config names for it.
    $cc -std=c99 $strict "$here/read.c" -o "$work/static" "$lib/libcms.a" \
        $(sed -n 's/^Libs.private: //p' "$here/../ffi/package/cms.pc.in")
    expect "read (static library)" "$("$work/read")" "$("$work/static")"
    if ldd "$work/static" | grep libcms; then echo "read (static library): needs the shared one"; exit 1; fi
fi
"$work/watch" 1 > "$work/watched" & watcher=$!
"$work/daemon" 2 > "$work/served" & daemon=$!
sleep 0.5
expect transaction "committed
refused" "$("$work/transaction")"
wait $watcher $daemon
expect watch "10.0.0.1
network.lan.ipaddr: 10.0.0.1 -> 192.168.7.1 (committed)" "$(cat "$work/watched")"
expect subscribe 9000 "$("$work/subscribe")"
expect daemon "serving 10.0.0.1/255.0.0.0
serving 192.168.7.1/255.0.0.0" "$(cat "$work/served")"
# M28: between two states it sleeps, and a signal ends it at once.
naps() { sed -n 's/^voluntary_ctxt_switches:[[:space:]]*//p' "/proc/$1/status"; }
"$work/daemon" > "$work/served" & daemon=$!
while ! grep -qs serving "$work/served"; do sleep 0.05; done
sleep 0.3 && before=$(naps $daemon) && sleep 1
expect "daemon (sleeps until there is something)" "$before" "$(naps $daemon)"
kill -TERM $daemon
wait $daemon || { echo "daemon: a signal does not end it well"; exit 1; }
# cms.hpp has no warnings and needs neither exceptions nor type information.
modern="-std=c++17 -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wsign-conversion -fsanitize=address -g"
for compiler in "$cxx" clang++; do
    command -v $compiler >/dev/null || { echo "modern ($compiler): skipped, $compiler is not installed"; continue; }
    for flags in "-fno-exceptions -fno-rtti" -DCMS_HPP_EXCEPTIONS; do
        $compiler $modern $flags -I"$here/../include" "$here/modern.cc" -o "$work/modern" -L"$lib" -lcms
        fresh && expect "modern ($compiler $flags)" "all good" "$("$work/modern")"
    done
done
for source in values values_cc types types_cc changes changes_cc; do
    smoke_store && expect $source "all good" "$("$work/$source")"
done
if [ "${2:-}" = small ]; then
    fresh && expect "features (small library)" "history: left out
archive: left out
audit: left out
undo: left out
verify: left out" "$("$work/features")"
    exit 0
fi
fresh
expect history "4 through history-example: it was only an example
    network.lan.ipaddr: '10.1.2.3' -> '10.0.0.1'
    network.lan.dns: '1.1.1.1' '8.8.8.8' '9.9.9.9' -> '1.1.1.1' '8.8.8.8'
3 through history-example: 
    network.lan.ipaddr: '10.0.0.1' -> '10.1.2.3'
    network.lan.dns: '1.1.1.1' '8.8.8.8' -> '1.1.1.1' '8.8.8.8' '9.9.9.9'
at revision 3 it was 10.1.2.3
now it is 10.0.0.1
4 wrote 	option ipaddr '10.0.0.1'
network had 238 bytes of text and has 218
'before' holds revision 2
the log has records from 1 on, and a chain of 32 digits" "$("$work/history")"
mkfifo "$work/stop"
"$work/verify" < "$work/stop" > "$work/verifying" & verifier=$!
exec 3> "$work/stop"
while ! grep -qs verifying "$work/verifying"; do sleep 0.05; done
expect verify "refused by verify (process $verifier): network.lan.mtu: 9001 is more than 9000" \
    "$("$work/verify" 1400 2>&1)$("$work/verify" 9001 2>&1)"
exec 3>&-
wait $verifier
fresh && expect "forked (sleeping children hold no locks)" "all good" "$("$work/forked")"
# Without AddressSanitizer, which keeps memory of its own.
$cc -std=c99 $strict "$here/unload.c" -o "$work/unload" -pthread -ldl
fresh && expect "unload (dlopen, threads, dlclose)" "all good" "$("$work/unload" "$lib/libcms.so" 2>&1)"
$cc -std=c99 $strict "$here/memory.c" -o "$work/memory" -L"$lib" -lcms
fresh && expect "memory (too little of it)" "all good" "$("$work/memory" 2>&1)"
fresh && expect features "history: built
archive: built
audit: built
undo: built
verify: built" "$("$work/features")"
smoke_store && expect smoke "all good" "$("$work/smoke")"
smoke_store && expect "smoke (C++)" "all good" "$("$work/smoke_cc")"
for source in nulls nulls_cc; do smoke_store && expect $source "all good" "$("$work/$source")"; done
smoke_store && expect faults "all good" "$("$work/faults")"
mkdir -p "$work/config" && rm -rf "$work/run" "$work"/config/*
printf '%s\n' "config x 's'" "	option a '0'" "config x 'u'" "	option b '0'" > "$work/config/t"
expect "stress (threads, fork, leaks)" "all good" "$("$work/stress")"

if command -v valgrind >/dev/null; then
    $cc -std=c99 $strict -g "$here/smoke.c" -o "$work/smoke_plain" -L"$lib" -lcms
    smoke_store
    expect "smoke (valgrind)" "all good" \
        "$(valgrind -q --error-exitcode=9 --leak-check=full "$work/smoke_plain" 2>"$work/valgrind" || cat "$work/valgrind")"
else
    echo "smoke (valgrind): skipped, valgrind is not installed"
fi
if echo '#include <openssl/cms.h>' | $cc -E - >/dev/null 2>&1; then
    for order in "" -DOPENSSL_FIRST; do
        $cc -std=c99 $strict $order "$here/with_openssl.c" -o "$work/with_openssl" -L"$lib" -lcms -lcrypto
        expect "with_openssl $order" "$(sed -n 's/^#define CMS_VERSION "\(.*\)"/\1/p' "$here/../include/cms.h")" \
            "$("$work/with_openssl")"
    done
else
    echo "with_openssl: skipped, OpenSSL's headers are not installed"
fi
node_api=$(ls /usr/include/node/node_api.h /usr/local/include/node/node_api.h 2>/dev/null | head -1)
if [ -n "$node_api" ] && command -v node >/dev/null; then
    $cc -std=c99 $strict -shared -fPIC -isystem "$(dirname "$node_api")" "$here/node/cms.c" -o "$work/cms.node" -L"$lib" -lcms
    fresh && expect "node (an addon for another language)" "address 10.0.0.1
dns [ '1.1.1.1', '8.8.8.8' ]
gateway undefined
refused: CMS_ERR_INVALID
changed: network.lan.ipaddr 192.168.9.1" "$(node "$here/node/example.js" "$work/cms.node")"
else
    echo "node (an addon for another language): skipped, Node.js or its headers are not installed"
fi
