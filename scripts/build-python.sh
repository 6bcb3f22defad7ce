#!/usr/bin/env bash
# Builds strongroom._native and installs the Python package into .venv, editable.
# Usage: scripts/build-python.sh [--release]
set -euo pipefail
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

[ -x .venv/bin/maturin ] || stop "maturin is missing" "run: scripts/setup.sh python"
say "python: maturin develop ${1:-(debug)}"
# A target directory of its own: maturin's settings for pyo3 would make the native builds start over.
VIRTUAL_ENV="$ROOT/.venv" CARGO_TARGET_DIR="$ROOT/target/python" \
  .venv/bin/maturin develop --quiet -m python/Cargo.toml "$@"
