#!/bin/sh
# Installs into $PREFIX, or removes what was installed: docs/install.sh BINARY | --remove
set -eu
bin=$PREFIX/bin man=$PREFIX/share/man/man1
bash=$PREFIX/share/bash-completion/completions zsh=$PREFIX/share/zsh/site-functions
fish=$PREFIX/share/fish/vendor_completions.d
if [ "$1" = --remove ]; then
    rm -f "$bin/cms" "$man"/cms.1 "$man"/cms-*.1 "$bash/cms" "$zsh/_cms" "$fish/cms.fish"
    [ "$(readlink "$bin/uci" 2>/dev/null)" = cms ] && rm -f "$bin/uci"
    exit 0
fi
[ -x "$1" ] || { echo "install: $1 is not there; run 'make build' first" >&2; exit 1; }
mkdir -p "$bin" "$man" "$bash" "$zsh" "$fish"
cp "$1" "$bin/cms"
chmod 755 "$bin/cms"
# An installed stock uci is never replaced.
[ -e "$bin/uci" ] || ln -s cms "$bin/uci"
"$1" man --all "$man"
"$1" completion bash > "$bash/cms"
"$1" completion zsh > "$zsh/_cms"
"$1" completion fish > "$fish/cms.fish"
echo "installed into $PREFIX"
