#!/usr/bin/env bash
# Builds what the tests between hosts need beside the packages themselves:
#   target/hosts/rust        the Rust host (bindings/examples/host)
#   target/transcripts/      the Rust host and the three packages with the feature `transcripts`, in which a test
#                            chooses all randomness: rust, node/, python/, web/. Never published; debug builds.
# The packages in the source tree stay as they are. The browser's is to be built first: its TypeScript is checked against
# the declarations in wasm/pkg.
set -euo pipefail
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

OUT="$ROOT/target/transcripts"
ADDON=strongroom.linux-x64-gnu.node
DEBUG="${CARGO_TARGET_DIR:-target}/debug"
WASM=target/wasm/wasm32-unknown-unknown/debug/strongroom_wasm.wasm

# Cargo writes both builds of the host to one place: each is copied away at once. Through a rename: one may be running.
build_rust() {
  cargo build --quiet -p strongroom-bindings --example host "${@:2}"
  mkdir -p "$(dirname "$1")"
  cp "$DEBUG/examples/host" "$1.new"
  mv "$1.new" "$1"
}

build_node() {
  cargo build --quiet -p strongroom-node --features transcripts
  fresh node
  node_modules/.bin/tsc -p node --outDir "$OUT/node.new/lib"
  cp node/package.json "$OUT/node.new/package.json"
  cp "$DEBUG/libstrongroom_node.so" "$OUT/node.new/$ADDON"
  settle node
}

build_python() {
  local wheels="$OUT/wheel"
  rm -rf "$wheels"
  VIRTUAL_ENV="$ROOT/.venv" CARGO_TARGET_DIR="$ROOT/target/python" \
    .venv/bin/maturin build --quiet -m python/Cargo.toml --features transcripts --out "$wheels"
  fresh python
  .venv/bin/python -m zipfile -e "$wheels"/*.whl "$OUT/python.new"
  settle python
}

build_web() {
  [ -f wasm/pkg/strongroom_wasm.d.ts ] || stop "the browser package is not built" "run: scripts/build-wasm.sh"
  scripts/wasm-cargo.sh build --quiet -p strongroom-wasm --features transcripts
  fresh web
  node_modules/.bin/tsc -p wasm --outDir "$OUT/web.new/lib"
  cp wasm/package.json "$OUT/web.new/package.json"
  .tools/bin/wasm-bindgen --target web --out-dir "$OUT/web.new/lib/wasm/pkg" "$WASM"
  settle web
}

fresh() { rm -rf "$OUT/$1.new" && mkdir -p "$OUT/$1.new"; }

settle() { rm -rf "${OUT:?}/$1" && mv "$OUT/$1.new" "$OUT/$1"; }

timed "hosts: rust" build_rust target/hosts/rust
timed "transcripts: rust" build_rust "$OUT/rust" --features transcripts
timed "transcripts: node" build_node
timed "transcripts: python" build_python
timed "transcripts: web" build_web
