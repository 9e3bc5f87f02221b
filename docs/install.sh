#!/bin/sh
# Installs into $PREFIX below $DESTDIR, or removes what was installed:
# docs/install.sh BINARY LIBRARY-DIRECTORY | --remove
set -eu
# What is installed is for all to read, whatever the umask of who installs it.
umask 022
final=$PREFIX
PREFIX=${DESTDIR:-}$PREFIX
here=$(cd "$(dirname "$0")/.." && pwd)
version=$(sed -n 's/^#define CMS_VERSION "\(.*\)"/\1/p' "$here/include/cms.h")
major=${version%%.*} minor=${version#*.}
minor=${minor%%.*}
lib=$PREFIX/lib include=$PREFIX/include man3=$PREFIX/share/man/man3
bin=$PREFIX/bin man=$PREFIX/share/man/man1
bash=$PREFIX/share/bash-completion/completions zsh=$PREFIX/share/zsh/site-functions
fish=$PREFIX/share/fish/vendor_completions.d units=$PREFIX/lib/systemd/system
# Tells the dynamic linker which libraries there are now. It keeps a list of those in the directories of the system.
refresh_linker() {
    found=$(PATH=$PATH:/usr/sbin:/sbin; command -v "${LDCONFIG:-ldconfig}" || true)
    if [ -n "${DESTDIR:-}" ]; then
        echo "library: where the files go to $final, run 'ldconfig' as root, or programs do not find libcms.so.$major"
    # musl looks into the directories themselves.
    elif [ -z "$found" ]; then
        :
    elif ! "$found" -v -N -X 2>/dev/null | grep -q "^$lib:"; then
        echo "library: programs do not look for it in $lib: link them with -Wl,-rpath,$lib, or run as root:"
        echo "  echo $lib > /etc/ld.so.conf.d/cms.conf && ldconfig"
    elif [ "$(id -u)" = 0 ]; then
        "$found"
    else
        echo "library: run 'ldconfig' as root, or programs do not find libcms.so.$major"
    fi
}
if [ "$1" = --remove ]; then
    rm -f "$bin/cms" "$man"/cms.1 "$man"/cms-*.1 "$bash/cms" "$zsh/_cms" "$fish/cms.fish"
    if [ "$(readlink "$bin/uci" 2>/dev/null)" = cms ]; then rm -f "$bin/uci"; fi
    rm -f "$lib"/libcms.so "$lib"/libcms.so.* "$lib/libcms.a" "$include/cms.h" "$include/cms.hpp" "$lib/pkgconfig/cms.pc"
    # The pages that were made from the header.
    for page in "$man3"/libcms.3 "$man3"/cms_*.3; do
        if grep -Eqs '^(\.TH libcms 3|\.\\" Made from cms\.h|\.so man3/(cms_[a-z_]*|libcms)\.3$)' "$page"; then rm -f "$page"; fi
    done
    rm -rf "$lib/cmake/cms" "$PREFIX/share/cms"
    rm -f "$units"/cms-recover.service "$units"/cms-confirm.service "$units"/cms-confirm.path
    rm -f "$units"/cms-reload.service
    refresh_linker >/dev/null
    exit 0
fi
[ -x "$1" ] || { echo "install: $1 is not there; run 'make build' first" >&2; exit 1; }
mkdir -p "$bin" "$man" "$bash" "$zsh" "$fish"
install -m 755 "$1" "$bin/cms"
# An installed stock uci is never replaced.
[ -e "$bin/uci" ] || ln -s cms "$bin/uci"
"$1" man --all "$man"
"$1" completion bash > "$bash/cms"
"$1" completion zsh > "$zsh/_cms"
"$1" completion fish > "$fish/cms.fish"

mkdir -p "$lib/pkgconfig" "$lib/cmake/cms" "$include" "$man3"
install -m 644 "$2/libcms.so.$major" "$lib/libcms.so.$version"
ln -sf "libcms.so.$version" "$lib/libcms.so.$major"
ln -sf "libcms.so.$major" "$lib/libcms.so"
install -m 644 "$2/libcms.a" "$lib/libcms.a"
install -m 644 "$here/include/cms.h" "$here/include/cms.hpp" "$include/"
awk -v out="$man3" -v template="$here/ffi/package/libcms.3.in" -f "$here/ffi/package/man.awk" "$here/include/cms.h"
fill() { sed -e "s|@PREFIX@|$final|" -e "s|@VERSION@|$version|" -e "s|@MAJOR@|$major|" -e "s|@MINOR@|$minor|" "$here/ffi/package/$1" > "$2"; }
fill cms.pc.in "$lib/pkgconfig/cms.pc"
fill cms-config.cmake.in "$lib/cmake/cms/cms-config.cmake"
fill cms-config-version.cmake.in "$lib/cmake/cms/cms-config-version.cmake"
mkdir -p "$units" "$PREFIX/share/cms/schema"
install -m 644 "$here"/src/schema/openwrt/* "$PREFIX/share/cms/schema/"
for unit in cms-recover.service cms-confirm.service cms-reload.service; do
    sed "s|@PREFIX@|$final|g" "$here/docs/boot/$unit.in" > "$units/$unit"
done
install -m 644 "$here/docs/boot/cms-confirm.path" "$units/"
install -m 755 "$here/docs/boot/cms.init" "$here/docs/boot/cms-reload.init" "$here/docs/boot/reload" "$PREFIX/share/cms/"
echo "installed into $PREFIX"
refresh_linker
