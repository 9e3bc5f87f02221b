#!/bin/sh
# Runs the unit tests of maps under Miri, which finds what is undefined: on maps in memory, since it maps no files.
# Knobs: CARGO, MIRI_TOOLCHAIN, MIRI_TESTS (a filter of tests; those of maps).
set -u
cd "$(dirname "$0")/.." || exit 1

: "${CARGO:=cargo}" "${MIRI_TOOLCHAIN:=nightly}" "${MIRI_TESTS:=map::}"

if ! "$CARGO" "+$MIRI_TOOLCHAIN" miri --version >/dev/null 2>&1; then
    echo "miri: adding it to the toolchain $MIRI_TOOLCHAIN"
    rustup "+$MIRI_TOOLCHAIN" component add miri rust-src >/dev/null 2>&1
fi
if ! "$CARGO" "+$MIRI_TOOLCHAIN" miri --version >/dev/null 2>&1; then
    echo "miri: skipped: the toolchain $MIRI_TOOLCHAIN is not there, or has no Miri"
    exit 0
fi
# Tests make temporary files, for what the system tells of them.
MIRIFLAGS="-Zmiri-strict-provenance -Zmiri-disable-isolation ${MIRIFLAGS:-}" \
    "$CARGO" "+$MIRI_TOOLCHAIN" miri test --locked -p cms --lib $MIRI_TESTS && echo "miri: passed"
