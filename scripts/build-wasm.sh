#!/usr/bin/env bash
# Builds the npm package strongroom-web in place: wasm/pkg (module and glue), then wasm/lib (TypeScript, with pkg inside).
set -euo pipefail
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

MODULE=target/wasm/wasm32-unknown-unknown/wasm/strongroom_wasm.wasm
PKG=wasm/pkg
OUT="$PKG/strongroom_wasm_bg.wasm"
STAMP="$PKG/.stamp"
# What rustc emits for this target by default.
FEATURES=(bulk-memory bulk-memory-opt call-indirect-overlong multivalue mutable-globals nontrapping-float-to-int
  reference-types sign-ext)

say "wasm: cargo build --profile wasm (route: $(scripts/wasm-cargo.sh --route))"
scripts/wasm-cargo.sh build --quiet --profile wasm -p strongroom-wasm

if ! same_as "$STAMP" "$MODULE" package-lock.json Cargo.lock scripts/build-wasm.sh; then
  say "wasm: wasm-bindgen and wasm-opt"
  rm -rf "$PKG"
  .tools/bin/wasm-bindgen --target web --remove-name-section --remove-producers-section --out-dir "$PKG" "$MODULE"
  node_modules/.bin/wasm-opt -O3 --strip-debug "${FEATURES[@]/#/--enable-}" "$OUT" -o "$OUT.opt"
  mv "$OUT.opt" "$OUT"
  fingerprint "$MODULE" package-lock.json Cargo.lock scripts/build-wasm.sh >"$STAMP"
fi

say "wasm: tsc"
rm -rf wasm/lib
node_modules/.bin/tsc -p wasm
# wasm/ts imports ../pkg; once compiled that is wasm/lib/wasm/pkg, and the tarball holds lib alone.
mkdir -p wasm/lib/wasm/pkg
cp "$PKG"/*.js "$PKG"/*.d.ts "$PKG"/*.wasm wasm/lib/wasm/pkg/

say "wasm: $(wc -c <"$OUT") bytes, $(gzip -9 -c "$OUT" | wc -c) gzipped"
