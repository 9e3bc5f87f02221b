#!/bin/sh
# Builds the wheel and tests it as its users have it: in a clean virtual environment, without the source tree.
# Usage: check.sh wheel|test LIBRARY-DIRECTORY WORK-DIRECTORY. PYTHON is the interpreter; PYTHONS are those that run the
# tests too: by default Python 3.9, 3.11 and the newest, as far as they are in PATH.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
what=$1
lib=$(cd "$2" && pwd)
mkdir -p "$3" && work=$(cd "$3" && pwd)
tools=$work/tools dist=$work/dist clean=$work/clean
# A wheel is made of what is installed, so an environment of the caller must not get in.
unset PYTHONPATH CMS_LIBRARY CMS_CONFIG_DIR CMS_SAVE_DIR CMS_RUN_DIR CMS_STATE_DIR PYTHONDONTWRITEBYTECODE || true
pip() { "$1/bin/python" -m pip --disable-pip-version-check --quiet --no-input "$2" "$3" "$4" "$5" "$6"; }

install_tools() {
    cmp -s "$here/requirements-test.txt" "$tools/installed" && return
    rm -rf "$tools" && "${PYTHON:-python3}" -m venv "$tools"
    pip "$tools" install -r "$here/requirements-test.txt" --retries 5
    cp "$here/requirements-test.txt" "$tools/installed"
}

build() {
    rm -rf "$dist" && mkdir -p "$dist"
    "$tools/bin/python" -m build --no-isolation --sdist --outdir "$dist" "$here" >"$work/sdist.log" 2>&1 \
        || { cat "$work/sdist.log"; exit 1; }
    CMS_WHEEL_LIBRARY=$lib/libcms.so.0 "$tools/bin/python" -m build --no-isolation --wheel --outdir "$dist" "$here" \
        >"$work/wheel.log" 2>&1 || { cat "$work/wheel.log"; exit 1; }
    (cd "$dist" && for file in *; do echo "built $3/dist/$file: $(stat -c %s "$file") bytes"; done)
}

# The wheel alone, without anything that only tests need.
use_alone_with() {
    rm -rf "$clean" && "$1" -m venv "$clean"
    pip "$clean" install --no-index --no-deps "$(ls "$dist"/*.whl)" --force-reinstall
    rm -rf "$work/alone" && mkdir -p "$work/alone/config"
    printf "config interface 'lan'\n\toption ipaddr '192.168.1.1'\n" >"$work/alone/config/network"
    (cd "$work/alone" && CMS_CONFIG_DIR=config CMS_SAVE_DIR=save CMS_RUN_DIR=run CMS_STATE_DIR=state \
        "$clean/bin/python" -I -W error -c 'import cms; print("wheel alone: network.lan.ipaddr is", cms.get("network.lan.ipaddr"))')
}

# With the sdist unpacked beside, of which only tests and examples are used.
test_installed() {
    pip "$clean" install "$(ls "$dist"/*.whl)[test]" --constraint "$here/requirements-test.txt" --retries=5
    rm -rf "$work/unpacked" && mkdir "$work/unpacked"
    tar -xzf "$dist"/*.tar.gz -C "$work/unpacked" --strip-components=1
    rm -rf "$work/unpacked/src"
    command=$lib/../bin/cms
    if [ -x "$command" ]; then export CMS_BIN="$command"; fi
    (cd "$work/unpacked" && CMS_HEADER=$here/../include/cms.h timeout -s KILL 600 "$clean/bin/python" -m pytest tests README.md --doctest-glob=README.md \
        && timeout -s KILL 600 "$clean/bin/python" -m pytest -p conftest --doctest-modules --pyargs cms --ignore-glob='*/cms/pydantic.py' \
        && "$clean/bin/python" benchmarks/reads.py 1 >/dev/null \
        && "$clean/bin/python" benchmarks/events.py 20 >/dev/null)
}

# The tasks of tests/newcomer, which a source archive does not have.
newcomer() {
    task=$here/../tests/newcomer/python/an_hour.py
    if [ -e "$task" ]; then (cd "$work/unpacked" && PATH=/nonexistent "$clean/bin/python" -W error "$task"); fi
}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# Prints the supported interpreters in PATH that are the oldest, the one that the requirements name, and the newest.
interpreters() {
    newest=
    for minor in 9 10 11 12 13 14 15; do
        [ -n "$(version_of "python3.$minor" || true)" ] || continue
        case $minor in 9 | 11) echo "python3.$minor" ;; *) newest=python3.$minor ;; esac
    done
    echo "$newest"
}

# The tests again, with what pip finds for another interpreter.
test_others() {
    tested=" $(version_of "$clean/bin/python")"
    for other in ${PYTHONS-$(interpreters)}; do
        version=$(version_of "$other") || { echo "python-test: $other does not run"; exit 1; }
        case "$tested " in *" $version "*) continue ;; esac
        tested="$tested $version" clean=$work/other
        use_alone_with "$other"
        pip "$clean" install "$(ls "$dist"/*.whl)[test]" --prefer-binary --retries=5 --no-cache-dir
        (cd "$work/unpacked" && timeout -s KILL 600 "$clean/bin/python" -m pytest tests) && newcomer
        clean=$work/clean
    done
    echo "python-test: ran with Python$tested"
}

check_sources() {
    cd "$here"
    # Each on a line of its own: a failure before && would not end the script.
    "$tools/bin/ruff" check --no-cache --quiet .
    "$tools/bin/ruff" format --no-cache --quiet --check .
    "$tools/bin/mypy" --cache-dir "$work/mypy"
    "$tools/bin/basedpyright" --pythonpath "$tools/bin/python" >"$work/pyright.log" || { cat "$work/pyright.log"; exit 1; }
}

install_tools
build "$@"
[ "$what" = wheel ] && exit
use_alone_with "${PYTHON:-python3}"
test_installed
newcomer
check_sources
test_others
echo "python-test: ok, with $("$clean/bin/python" --version) and $(cd "$dist" && ls ./*.whl)"
