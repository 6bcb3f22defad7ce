#!/usr/bin/env bash
# Release builds of everything that is published, into dist/.
set -euo pipefail
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

VERSION="$(scripts/version.sh)"
PLATFORM=linux-x64-gnu
DIST="$ROOT/dist"

# pack FOLDER NAME: npm's tarball of a folder, which must come out as NAME. The licences go with it.
pack() {
  cp LICENSE-MIT LICENSE-APACHE "$1"
  npm pack --silent --pack-destination "$DIST" "./$1" >/dev/null
  [ -f "$DIST/$2" ] || stop "npm pack $1 did not write $2"
  rm "$1/LICENSE-MIT" "$1/LICENSE-APACHE"
}

package_python() {
  VIRTUAL_ENV="$ROOT/.venv" CARGO_TARGET_DIR="$ROOT/target/python" \
    .venv/bin/maturin build --quiet --release -m python/Cargo.toml --out "$DIST"
  compgen -G "$DIST/strongroom-$VERSION-cp310-abi3-*.whl" >/dev/null || stop "maturin wrote no cp310-abi3 wheel of $VERSION"
}

package_node() {
  scripts/build-node.sh --release
  pack node "strongroom-$VERSION.tgz"
  local staging
  staging="$(mktemp -d "$ROOT/target/package.XXXXXX")"
  cp "node/npm/$PLATFORM/"* node/strongroom.$PLATFORM.node "$staging"
  pack "target/$(basename "$staging")" "strongroom-$PLATFORM-$VERSION.tgz"
  rm -rf "$staging"
}

package_wasm() {
  scripts/build-wasm.sh
  pack wasm "strongroom-web-$VERSION.tgz"
}

scripts/setup.sh rust wasm node python
rm -rf "$DIST"
mkdir -p "$DIST"
timed "package: python" package_python
timed "package: node" package_node
timed "package: wasm" package_wasm
say "dist: version $VERSION"
(cd "$DIST" && wc -c -- *)
