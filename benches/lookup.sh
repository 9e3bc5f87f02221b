#!/bin/sh
# Builds benches/lookup and runs it: reads through the C library beside uthash and hashbrown; then what maps take,
# and how fast they are made and opened. Usage: lookup.sh LIBRARY-DIRECTORY [quick]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
lib=$(cd "$1" && pwd)
quick=${2:-}
work=$(mktemp -d -p "$([ -d /dev/shm ] && echo /dev/shm || echo /tmp)")
trap 'rm -rf "$work"' EXIT
export LD_LIBRARY_PATH="$lib" CMS_CONFIG_DIR="$work/config" CMS_RUN_DIR="$work/run" CMS_SAVE_DIR="$work/save"

cargo build --quiet --release --locked --manifest-path "$here/lookup/peer/Cargo.toml" --target-dir "$here/target"
cc -O2 -std=gnu99 -Wall -Wextra -I"$here/../include" "$here/lookup/lookup.c" -o "$work/lookup" -L"$lib" -lcms \
    "$here/target/release/liblookup_peer.a" -lpthread -ldl -lm
pin=; command -v taskset >/dev/null && pin="taskset -c 1"

make_package() { # SECTIONS OPTIONS
    rm -rf "$work/config" "$work/run" && mkdir -p "$work/config"
    awk -v sections="$1" -v options="$2" 'BEGIN { for (s = 0; s < sections; s++) {
        printf "config host '\''s%07d'\''\n", s
        for (o = 0; o < options; o++)
            printf "\toption option%02d '\''value-%07d-%02d-abcdefgh'\''\n", o, s, o } }' > "$work/config/network"
}

echo "machine: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores; library: $(stat -Lc %s "$lib/libcms.so") bytes"
make_package 20 10
$pin "$work/lookup" 20 $quick
make_package "${SECTIONS:-100000}" 10
$pin "$work/lookup" "${SECTIONS:-100000}" $quick
text=$(stat -c %s "$work/config/network")
fresh() { rm -rf "$work/run"; }
time_ms() { start=$(date +%s%N); "$@" >/dev/null; end=$(date +%s%N); echo $(((end - start) / 1000)); }
cat > "$work/one.c" <<'C'
#include <cms.h>
int main(void)
{
    cms_store *store;
    char value[64];
    return cms_open(0, &store) || cms_get(store, "network.s0000003.option00", value, sizeof value, 0);
}
C
cc -O2 -I"$here/../include" "$work/one.c" -o "$work/one" -L"$lib" -lcms
median() { for _ in 1 2 3 4 5 6 7; do [ "$1" = fresh ] && fresh; time_ms "$work/one"; done | sort -n | sed -n 4p; }
load=$(median fresh); open=$(median open)
echo "load of $text bytes of text into a fresh map, as a process: $((load / 1000)) ms, $((text / load)) MB/s"
echo "open it again and read one option, as a process: $open us"
make_package 20 10; "$work/one"; small=$(median open)
echo "the same for 20 sections: $small us; ratio $(awk "BEGIN { printf \"%.2f\", $open / $small }")"
echo "map bytes to text bytes:"
for shape in "${ENTRIES:-1000000} 1" "333334 3" "100000 10" "10000 100" "1 ${ENTRIES:-1000000}"; do
    make_package $shape
    sed -i 's/s0000003/s0000000/' "$work/one.c"; cc -O2 -I"$here/../include" "$work/one.c" -o "$work/one" -L"$lib" -lcms
    "$work/one"
    map=$(cat "$work"/run/maps/*/network.map | wc -c); text=$(stat -c %s "$work/config/network")
    echo "  sections x options $shape: $map / $text = $(awk "BEGIN { printf \"%.3f\", $map / $text }")"
done
