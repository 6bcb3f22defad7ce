#!/usr/bin/env bash
# Copies the built package strongroom-web beside the page, for a server that serves one folder: build.sh [FOLDER]
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
built="$here/../../wasm/lib"
target="${1:-$here/public}/strongroom-web"
[ -f "$built/wasm/pkg/strongroom_wasm_bg.wasm" ] || {
  echo "examples/admin-panel: strongroom-web is not built: run scripts/build-wasm.sh first" >&2
  exit 1
}
rm -rf "$target.new"
cp -R "$built" "$target.new"
rm -rf "$target"
mv "$target.new" "$target"
