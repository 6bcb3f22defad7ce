#!/usr/bin/env bash
# Release builds into target/bench, away from the developer's own, then bench/ against the peers; writes docs/benchmarks.md.
# Usage: scripts/bench.sh [--check] [--json]
#   --check  fails when a target is missed
#   --json   keeps the raw rounds: target/bench/python.json, target/bench/node.json
set -euo pipefail
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

BENCH="$ROOT/target/bench"
PLATFORM=linux-x64-gnu
JSON=""
JUDGE=()
for argument in "$@"; do
  case "$argument" in
    --check) JUDGE=(--check) ;;
    --json) JSON=1 ;;
    *) stop "unknown argument: $argument" "usage: scripts/bench.sh [--check] [--json]" ;;
  esac
done

# As pip installs the wheel.
build_python() {
  rm -rf "$BENCH/wheel" "$BENCH/python"
  VIRTUAL_ENV="$ROOT/.venv" CARGO_TARGET_DIR="$ROOT/target/python" \
    .venv/bin/maturin build --quiet --release -m python/Cargo.toml --out "$BENCH/wheel"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --target "$BENCH/python" "$BENCH"/wheel/*.whl
}

# As npm installs the two packages.
build_node() {
  local modules="$BENCH/node/node_modules"
  [ "$(uname -sm)" = "Linux x86_64" ] || stop "the Node package is built for Linux on x86-64 only, not $(uname -sm)"
  cargo build --quiet --release -p strongroom-node
  rm -rf "$BENCH/node"
  mkdir -p "$modules/strongroom" "$modules/strongroom-$PLATFORM"
  cp node/package.json "$modules/strongroom"
  node_modules/.bin/tsc -p node --outDir "$modules/strongroom/lib"
  cp "node/npm/$PLATFORM/package.json" "$modules/strongroom-$PLATFORM"
  cp "${CARGO_TARGET_DIR:-target}/release/libstrongroom_node.so" "$modules/strongroom-$PLATFORM/strongroom.$PLATFORM.node"
}

measure_python() {
  PYTHONPATH="$BENCH/python" STRONGROOM_BENCH_PACKAGE="$BENCH/python" .venv/bin/python bench/peers.py >"$RESULTS/python.json"
}

measure_node() { node --expose-gc bench/peers.mjs "$BENCH/node" >"$RESULTS/node.json"; }

steps() {
  scripts/setup.sh rust node python bench
  timed "build: python, release" build_python
  timed "build: node, release" build_node
  timed "bench: python" measure_python
  timed "bench: node" measure_node
}

mkdir -p "$BENCH"
rm -f "$BENCH"/*.json
RESULTS="$BENCH"
if [ -z "$JSON" ]; then
  RESULTS="$(mktemp -d)"
  trap 'rm -rf "$RESULTS"' EXIT
fi
# Progress goes to stderr: stdout holds the tables.
steps >&2
.venv/bin/python bench/report.py "${JUDGE[@]}" docs/benchmarks.md "$RESULTS/python.json" "$RESULTS/node.json"
say "written: docs/benchmarks.md" >&2
