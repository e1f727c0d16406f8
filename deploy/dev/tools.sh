#!/usr/bin/env bash
# Builds the servers for tests that no package index offers as a program, at the versions pinned here, and says where they are.
# They stay in ${XDG_CACHE_HOME:-~/.cache}/plog/bin, where the tests look; what is there at the right version is left alone.
set -euo pipefail

versitygw=v1.8.0

bin="${XDG_CACHE_HOME:-$HOME/.cache}/plog/bin"
go=$(command -v go || echo /usr/local/go/bin/go)
[ -x "$go" ] || { echo "Go is needed to build versitygw (S3)." >&2; exit 1; }
mkdir -p "$bin"

built() { # PROGRAM MODULE VERSION: whether it is there at this version; the program carries both
  "$go" version -m "$bin/$1" 2>/dev/null | awk -v m="$2" -v v="$3" '$1 == "mod" && $2 == m && $3 == v { found = 1 } END { exit !found }'
}

if ! built versitygw github.com/versity/versitygw "$versitygw"; then
  CGO_ENABLED=0 GOBIN="$bin" "$go" install -trimpath -ldflags '-s -w' "github.com/versity/versitygw/cmd/versitygw@$versitygw"
fi
echo "$bin/versitygw $versitygw"
