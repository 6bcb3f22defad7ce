#!/usr/bin/env bash
# The demonstration, from a fresh clone: set-up, builds, and examples/demo.
set -euo pipefail
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

[ -f examples/demo/run.mjs ] || stop "examples/demo/run.mjs is missing"
scripts/setup.sh rust wasm node python browser
scripts/build-node.sh
scripts/build-python.sh
scripts/build-wasm.sh
exec node examples/demo/run.mjs "$@"
