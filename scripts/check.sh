#!/usr/bin/env bash
# Formatting, lints, types and the Rust tests: what to run before every commit.
set -euo pipefail
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

scripts/setup.sh rust wasm node python

timed "check: one version in all manifests" scripts/version.sh
timed "check: cargo fmt" cargo fmt --all --check
# The wasm crate too: its glue compiles for the host, so clippy needs no wasm toolchain.
timed "check: clippy" cargo clippy --quiet --workspace --all-targets -- -D warnings
timed "check: clippy (postgres)" cargo clippy --quiet -p strongroom-bindings --all-targets --features postgres -- -D warnings
timed "check: core without std" scripts/wasm-cargo.sh --no-std check --quiet -p strongroom
timed "check: cargo test" cargo test --quiet -p strongroom -p strongroom-bindings
# Private items too, for those who change them: so a public page may name a private type.
RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" timed "check: cargo doc" \
  cargo doc --quiet --no-deps --document-private-items -p strongroom -p strongroom-bindings

timed "check: ruff format" .venv/bin/ruff format --check --quiet python
timed "check: ruff check" .venv/bin/ruff check --quiet python
OTHER_PYTHON=(tests examples bench)
timed "check: ruff format (${OTHER_PYTHON[*]})" .venv/bin/ruff format --check --quiet --config python/pyproject.toml "${OTHER_PYTHON[@]}"
timed "check: ruff check (${OTHER_PYTHON[*]})" .venv/bin/ruff check --quiet --config python/pyproject.toml "${OTHER_PYTHON[@]}"
timed "check: mypy" .venv/bin/mypy --config-file python/pyproject.toml --strict python/src python/tests "${OTHER_PYTHON[@]}"

# wasm/ts is checked against the declarations that wasm-bindgen writes.
timed "check: wasm build" scripts/build-wasm.sh
timed "check: tsc (wasm)" node_modules/.bin/tsc -p wasm --noEmit
# With its output: the examples are checked against the declarations of the package.
timed "check: tsc (node)" node_modules/.bin/tsc -p node
# The panel's modules name the package by where its server has it.
timed "check: the panel's package" examples/admin-panel/build.sh
for folder in bench examples/telegram-bot examples/demo examples/demo/page examples/admin-panel examples/admin-panel/tests; do
  timed "check: tsc ($folder)" node_modules/.bin/tsc -p "$folder"
done
timed "check: biome" node_modules/.bin/biome check --error-on-warnings
