#!/usr/bin/env bash
# Drives a store from several processes and checks that every answer is explained: tests/load.
# Usage: scripts/load.sh [--debug] [STORE] [OPTION...]
#   STORE    sqlite:PATH, file:PATH, postgresql://..., or module:function; a SQLite file of its own otherwise
#   --debug  the packages as they are in .venv and node/, instead of release builds
#   OPTION   see: scripts/load.sh --help
set -euo pipefail
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

PACKAGE="$ROOT/target/load/python"

# As pip installs the wheel.
build_python() {
  rm -rf "$ROOT/target/load/wheel" "$PACKAGE"
  VIRTUAL_ENV="$ROOT/.venv" CARGO_TARGET_DIR="$ROOT/target/python" \
    .venv/bin/maturin build --quiet --release -m python/Cargo.toml --out "$ROOT/target/load/wheel"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --target "$PACKAGE" "$ROOT"/target/load/wheel/*.whl
}

# As npm installs it: the addon beside what TypeScript was made to.
build_node() {
  rm -rf "$ROOT/target/load/node"
  mkdir -p "$ROOT/target/load/node"
  cargo build --quiet --release -p strongroom-node
  cp -r node/lib node/package.json "$ROOT/target/load/node"
  cp "${CARGO_TARGET_DIR:-target}/release/libstrongroom_node.so" "$ROOT/target/load/node/strongroom.linux-x64-gnu.node"
}

export PYTHONPATH="$ROOT/tests"
if [ "${1:-}" = --debug ]; then
  shift
else
  scripts/setup.sh rust python >&2
  timed "build: python, release" build_python >&2
  case "$*" in
    *--hosts*node*)
      scripts/setup.sh node >&2
      [ -d node/lib ] || scripts/build-node.sh >&2
      timed "build: node, release" build_node >&2
      export LOAD_NODE_PACKAGE="$ROOT/target/load/node"
      ;;
  esac
  PYTHONPATH="$PACKAGE:$PYTHONPATH"
fi

case "${1:-}" in
  "" | --*)
    folder="$(mktemp -d)"
    trap 'rm -rf "$folder"' EXIT
    set -- "sqlite:$folder/vault.db" "$@"
    ;;
esac
.venv/bin/python -m load "$@"
