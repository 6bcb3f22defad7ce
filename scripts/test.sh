#!/usr/bin/env bash
# Everything: set-up, checks, builds, and every suite of every language.
set -euo pipefail
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

# One line each: KIND FOLDER. A folder that is missing fails the run.
SUITES=(
  "cargo-postgres bindings/tests"
  "pytest python/tests"
  "pytest tests"
  "node node/tests"
  "wasm-node wasm/tests"
  "wasm-browser wasm/tests"
  "node tests/browser"
  "node examples/telegram-bot/tests"
  "node examples/demo/tests"
  "pytest examples/fastapi-backend/tests"
  "node examples/admin-panel/tests"
)

suite_pytest() { .venv/bin/python -m pytest "$1" -q; }

suite_node() {
  compgen -G "$1/*.test.mjs" >/dev/null || stop "$1 holds no *.test.mjs"
  # Node leaves one core idle by default: of two, that is half.
  node --test --test-concurrency="$(nproc)" "$1/*.test.mjs"
}

suite_cargo-postgres() { cargo test --quiet -p strongroom-bindings --features postgres --test postgres; }

suite_wasm-node() { scripts/wasm-cargo.sh test -p strongroom-wasm --tests; }

suite_wasm-browser() {
  CHROMEDRIVER="$(command -v chromedriver)" WASM_BINDGEN_USE_BROWSER=1 \
    scripts/wasm-cargo.sh test -p strongroom-wasm --tests
}

run_suite() {
  [ -d "$2" ] || stop "the suite $2 is missing"
  "suite_$1" "$2"
}

timed "setup" scripts/setup.sh all
timed "check" scripts/check.sh
timed "build: node" scripts/build-node.sh
timed "build: python" scripts/build-python.sh
timed "build: wasm" scripts/build-wasm.sh
timed "build: hosts and transcripts" scripts/build-transcripts.sh
for suite in "${SUITES[@]}"; do
  # shellcheck disable=SC2086  # two words on purpose
  timed "test: $suite" run_suite $suite
done
say "all $((${#SUITES[@]})) suites passed in $SECONDS s"
