#!/usr/bin/env bash
# Builds the npm package strongroom in place: node/strongroom.linux-x64-gnu.node and node/lib.
# Usage: scripts/build-node.sh [--release]
set -euo pipefail
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

PROFILE="${1:-}"
case "$PROFILE" in
  "") FOLDER=debug ;;
  --release) FOLDER=release ;;
  *) stop "unknown argument: $PROFILE" "usage: scripts/build-node.sh [--release]" ;;
esac
[ "$(uname -sm)" = "Linux x86_64" ] || stop "the Node package is built for Linux on x86-64 only, not $(uname -sm)"

say "node: cargo build ($FOLDER)"
cargo build --quiet -p strongroom-node ${PROFILE:+"$PROFILE"}
# Through a rename: a process may have the old one mapped.
cp "${CARGO_TARGET_DIR:-target}/$FOLDER/libstrongroom_node.so" node/.strongroom.new
mv node/.strongroom.new node/strongroom.linux-x64-gnu.node

say "node: tsc"
rm -rf node/lib
node_modules/.bin/tsc -p node
