#!/bin/sh
# Runs the unit tests on machines other than this one, under qemu: two of 32 bits, and one that is big-endian.
# A map that was written on x86-64 is read there, and the same map is made there, byte by byte. For machines that Rust
# has no standard library for, it is built from its source, and with it the library alone, without running it (M31: MIPS
# has no atomic numbers of 64 bits).
#
# What is missing is installed, with apt and rustup; what is not to be had is skipped, with a message.
# Knobs: CROSS (some of the targets below), CARGO, CROSS_TESTS (a filter of tests; all).
set -u
cd "$(dirname "$0")/.." || exit 1

: "${CARGO:=cargo}" "${CROSS_TESTS:=}"
: "${CROSS:=armv7-unknown-linux-gnueabihf i686-unknown-linux-gnu powerpc-unknown-linux-gnu mips-unknown-linux-gnu}"

# Sets for a target: the prefix of its compiler, its package, that of its C library, its qemu.
describe() {
    case $1 in
    armv7-unknown-linux-gnueabihf) set -- arm-linux-gnueabihf gcc-arm-linux-gnueabihf libc6-dev-armhf-cross qemu-arm ;;
    i686-unknown-linux-gnu) set -- i686-linux-gnu gcc-i686-linux-gnu libc6-dev-i386-cross qemu-i386 ;;
    powerpc-unknown-linux-gnu) set -- powerpc-linux-gnu gcc-powerpc-linux-gnu libc6-dev-powerpc-cross qemu-ppc ;;
    mips-unknown-linux-gnu) set -- mips-linux-gnu gcc-mips-linux-gnu libc6-dev-mips-cross qemu-mips ;;
    s390x-unknown-linux-gnu) set -- s390x-linux-gnu gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-s390x ;;
    *) echo "cross: $1 is not one of the targets this knows" >&2; return 1 ;;
    esac
    prefix=$1 compiler=$2 libc=$3 qemu=$4
}

# Installs what a target needs; fails if it is not to be had.
prepare() {
    if ! command -v "$prefix-gcc" >/dev/null || ! command -v "$qemu" >/dev/null; then
        echo "cross: installing $compiler, $libc and qemu-user (apt)"
        sudo=$(command -v sudo || true)
        [ "$(id -u)" = 0 ] && sudo=
        $sudo apt-get update -qq >/dev/null 2>&1
        $sudo apt-get install -y -qq --no-install-recommends "$compiler" "$libc" qemu-user >/dev/null 2>&1
    fi
    command -v "$prefix-gcc" >/dev/null && command -v "$qemu" >/dev/null || return 1
    rustup target list --installed 2>/dev/null | grep -qx "$1" && return 0
    echo "cross: adding the Rust target $1"
    rustup target add "$1" >/dev/null 2>&1 && return 0
    std=source
    rustup component add rust-src >/dev/null 2>&1
}

passed= skipped= failed=
for target in $CROSS; do
    std=
    if ! describe "$target" || ! prepare "$target"; then
        echo "cross: $target is skipped: its compiler, qemu or Rust's standard library is not to be had"
        skipped="$skipped $target"
        continue
    fi
    # Cargo takes names in capitals, cc those of the target, both with underscores.
    name=$(echo "$target" | tr - _)
    upper=$(echo "$name" | tr '[:lower:]' '[:upper:]')
    if [ -n "$std" ]; then
        echo "cross: $target is built with a standard library from its source, and not run"
        if env RUSTC_BOOTSTRAP=1 "CC_$name=$prefix-gcc" "CARGO_TARGET_${upper}_LINKER=$prefix-gcc" \
            "$CARGO" build --locked --target "$target" -p cms -p cms-ffi --lib -Z build-std=std,panic_unwind; then
            passed="$passed $target(built)"
        else
            failed="$failed $target"
        fi
        continue
    fi
    # Some optimization, since qemu is slow.
    if env "CC_$name=$prefix-gcc" "CARGO_TARGET_${upper}_LINKER=$prefix-gcc" \
        "CARGO_TARGET_${upper}_RUNNER=$qemu -L /usr/$prefix" CARGO_PROFILE_TEST_OPT_LEVEL=1 \
        "$CARGO" test --locked --target "$target" --lib $CROSS_TESTS; then
        passed="$passed $target"
    else
        failed="$failed $target"
    fi
done

[ -z "$skipped" ] || echo "cross: skipped:$skipped"
[ -z "$failed" ] || { echo "cross: failed:$failed" >&2; exit 1; }
echo "cross: passed:${passed:- nothing}"
