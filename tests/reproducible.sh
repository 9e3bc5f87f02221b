#!/bin/sh
# Builds the command and the library as they are shipped in two folders of different names, and compares them byte for
# byte; nothing of what is built may hold a path of this machine (M32).
#
# Knobs: MAKE, REPRODUCIBLE (the goals: target/bin/cms lib), TMPDIR (where the folders are).
set -u
cd "$(dirname "$0")/.." || exit 1
: "${MAKE:=make}" "${REPRODUCIBLE:=target/bin/cms lib}"
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR MAKEFLAGS MFLAGS || true

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
bad=0
for folder in one another/folder; do
    mkdir -p "$scratch/$folder"
    git ls-files | tar -cf - -T - | tar -xf - -C "$scratch/$folder" || exit 1
    echo "reproducible: building in $folder"
    # shellcheck disable=SC2086
    (cd "$scratch/$folder" && $MAKE --no-print-directory $REPRODUCIBLE >build.log 2>&1) || {
        tail -n 30 "$scratch/$folder/build.log"
        echo "reproducible: it does not build" >&2
        exit 1
    }
done
for file in bin/cms lib/libcms.so.0 lib/libcms.a; do
    one=$scratch/one/target/$file another=$scratch/another/folder/target/$file
    [ -e "$one" ] || [ -e "$another" ] || continue
    if cmp "$one" "$another"; then
        echo "reproducible: $file is the same, $(sha256sum <"$one" | cut -c1-16)"
    else
        bad=1
    fi
    for path in "$scratch" "$PWD" "${CARGO_HOME:-$HOME/.cargo}" "${RUSTUP_HOME:-$HOME/.rustup}"; do
        if grep -aqF "$path" "$one"; then
            echo "reproducible: $file holds the path $path" >&2
            bad=1
        fi
    done
done
exit $bad
