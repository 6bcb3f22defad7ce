#!/usr/bin/env bash
# Builds the npm package strongroom-web in place: wasm/pkg, wasm/pkg-testing and wasm/pkg-archive (modules and glue), then wasm/lib
# (TypeScript, with both inside).
set -euo pipefail
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

BUILT=target/wasm/wasm32-unknown-unknown/wasm
# What rustc emits for this target by default.
FEATURES=(bulk-memory bulk-memory-opt call-indirect-overlong multivalue mutable-globals nontrapping-float-to-int
  reference-types sign-ext)

# glue MODULE FOLDER: what JavaScript loads, made of what cargo built.
glue() {
  local module="$BUILT/$1.wasm" out="$2/strongroom_wasm_bg.wasm" stamp="$2/.stamp"
  if ! same_as "$stamp" "$module" package-lock.json Cargo.lock scripts/build-wasm.sh; then
    say "wasm: wasm-bindgen and wasm-opt for $2"
    rm -rf "$2"
    .tools/bin/wasm-bindgen --target web --remove-name-section --remove-producers-section --out-name strongroom_wasm \
      --out-dir "$2" "$module"
    # What is inlined compresses badly: without, the module is a twentieth smaller on its way to the browser.
    node_modules/.bin/wasm-opt '--no-inline=*' -O2 --strip-debug "${FEATURES[@]/#/--enable-}" "$out" -o "$out.opt"
    mv "$out.opt" "$out"
    fingerprint "$module" package-lock.json Cargo.lock scripts/build-wasm.sh >"$stamp"
  fi
  # wasm/ts imports ../pkg; once compiled that is wasm/lib/wasm/pkg, and the tarball holds lib alone.
  mkdir -p "wasm/lib/$2"
  cp "$2"/*.js "$2"/*.d.ts "$2"/*.wasm "wasm/lib/$2/"
  say "wasm: $2: $(wc -c <"$out") bytes, $(gzip -9 -c "$out" | wc -c) gzipped"
}

say "wasm: cargo build --profile wasm (route: $(scripts/wasm-cargo.sh --route))"
scripts/wasm-cargo.sh build --quiet --profile wasm -p strongroom-wasm -p strongroom-wasm-testing
# Apart: built with the others, the feature `age` would be theirs too.
scripts/wasm-cargo.sh build --quiet --profile wasm -p strongroom-wasm-archive

rm -rf wasm/lib
glue strongroom_wasm wasm/pkg
glue strongroom_wasm_testing wasm/pkg-testing
glue strongroom_wasm_archive wasm/pkg-archive
say "wasm: tsc"
node_modules/.bin/tsc -p wasm
