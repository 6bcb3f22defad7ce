#!/usr/bin/env bash
# Drives a store from several processes and checks that every answer is explained: tests/load.
# Usage: scripts/load.sh [--debug] [STORE] [OPTION...]
#   STORE    sqlite:PATH, file:PATH, postgresql://..., or module:function; a SQLite file of its own otherwise
#   --debug  the package as it is in .venv, instead of a release build
#   OPTION   see: scripts/load.sh --help
set -euo pipefail
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

PACKAGE="$ROOT/target/load/python"

# As pip installs the wheel.
build() {
  rm -rf "$ROOT/target/load/wheel" "$PACKAGE"
  VIRTUAL_ENV="$ROOT/.venv" CARGO_TARGET_DIR="$ROOT/target/python" \
    .venv/bin/maturin build --quiet --release -m python/Cargo.toml --out "$ROOT/target/load/wheel"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --target "$PACKAGE" "$ROOT"/target/load/wheel/*.whl
}

export PYTHONPATH="$ROOT/tests"
if [ "${1:-}" = --debug ]; then
  shift
else
  scripts/setup.sh rust python >&2
  timed "build: python, release" build >&2
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
