#!/usr/bin/env bash
# Builds the servers for tests that no package index offers as a program, at the versions pinned here, and says where they are.
# They stay in ${XDG_CACHE_HOME:-~/.cache}/plog/bin, where the tests look; what is there at the right version is left alone.
# Needs Go; InfluxDB also needs Rust (cargo) and gcc, for its query language Flux.
set -euo pipefail

versitygw=v1.8.0
influxd=v2.7.12

bin="${XDG_CACHE_HOME:-$HOME/.cache}/plog/bin"
go=$(command -v go || echo /usr/local/go/bin/go)
[ -x "$go" ] || { echo "Go is needed to build versitygw (S3) and influxd (InfluxDB)." >&2; exit 1; }
mkdir -p "$bin"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

built() { # PROGRAM MODULE VERSION: whether it is there, made from that version, which the program carries
  "$go" version -m "$bin/$1" 2>/dev/null | awk -v m="$2" -v v="$3" '($1 == "mod" || $1 == "dep") && $2 == m && $3 == v { found = 1 } END { exit !found }'
}

build_influxd() {
  command -v cargo >/dev/null || { echo "Rust is needed to build influxd (InfluxDB)." >&2; exit 1; }
  cd "$work"
  cat > go.mod <<EOF
module plog.local/influxd

go 1.24

require github.com/influxdata/influxdb/v2 $influxd

replace github.com/nats-io/nats-streaming-server v0.11.2 => github.com/influxdata/nats-streaming-server v0.11.3-0.20201112040610-c277f7560803
EOF
  printf '//go:build tools\n\npackage tools\n\nimport (\n\t_ "github.com/influxdata/influxdb/v2/cmd/influxd"\n\t_ "github.com/influxdata/pkg-config"\n)\n' > tools.go
  "$go" mod tidy
  "$go" build -o pkg-config github.com/influxdata/pkg-config
  # Flux refuses warnings, of which a newer compiler has more, and asks for a compiler of its own: neither holds in this copy of it.
  cat > cargo <<EOF
#!/usr/bin/env bash
sed -i 's/deny(warnings, missing_docs)/warn(missing_docs)/' flux-core/src/lib.rs flux/src/lib.rs
RUSTUP_TOOLCHAIN=stable exec $(command -v cargo) "\$@"
EOF
  chmod +x cargo
  CARGO="$work/cargo" PKG_CONFIG="$work/pkg-config" PATH="$work:$PATH" "$go" build -mod=mod -trimpath \
    -tags 'sqlite_foreign_keys,sqlite_json' -ldflags '-s -w' -o "$bin/influxd" github.com/influxdata/influxdb/v2/cmd/influxd
}

if ! built versitygw github.com/versity/versitygw "$versitygw"; then
  CGO_ENABLED=0 GOBIN="$bin" "$go" install -trimpath -ldflags '-s -w' "github.com/versity/versitygw/cmd/versitygw@$versitygw"
fi
if ! built influxd github.com/influxdata/influxdb/v2 "$influxd"; then
  build_influxd
fi
echo "$bin/versitygw $versitygw"
echo "$bin/influxd $influxd"
