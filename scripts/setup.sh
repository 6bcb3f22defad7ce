#!/usr/bin/env bash
# Installs what is missing, into the repository where that is possible: .tools, .venv, node_modules.
# Needs: rust, node (any from 18 on, to run npm), python3 (3.10 or newer), a C compiler, make.
# Usage: scripts/setup.sh [rust|wasm|node|python|browser|services|bench|all]...
set -euo pipefail
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

NODE_PIN=24.21.0
NODE_AT_LEAST="22.13"
NPM_FOLDERS=(. examples/telegram-bot)
# The second is included by the first: pip refuses them when they disagree.
PYTHON_REQUIREMENTS=(python/requirements-dev.txt examples/fastapi-backend/requirements.txt)
DEBIAN_WASM=(rustc-web cargo-web rust-web-src lld-19)
DEBIAN_BROWSER=(chromium chromium-driver)
DEBIAN_SERVICES=(postgresql age prometheus strace)

setup_rust() {
  have cargo || stop "cargo is missing" "install Rust: https://rustup.rs"
  have cc || stop "a C compiler is missing" "on Debian: apt-get install build-essential"
  cargo fmt --version >/dev/null 2>&1 || stop "rustfmt is missing" "run: rustup component add rustfmt"
  cargo clippy --version >/dev/null 2>&1 || stop "clippy is missing" "run: rustup component add clippy"
  [ -f Cargo.lock ] || cargo metadata --format-version 1 >/dev/null
  say "rust: $(rustc --version)"
}

setup_wasm() {
  local route
  if ! route="$(scripts/wasm-cargo.sh --route 2>/dev/null)"; then
    if [ "${STRONGROOM_WASM_ROUTE:-toolchain}" = toolchain ] && have rustup && rustup_target; then
      say "wasm standard library: added by rustup"
    else
      say "wasm standard library: Debian fallback"
      install_debian "${DEBIAN_WASM[@]}"
    fi
    route="$(scripts/wasm-cargo.sh --route)" || stop "no Rust toolchain here can build for wasm32-unknown-unknown" \
      "run: rustup target add wasm32-unknown-unknown wasm32v1-none" "or, on Debian: apt-get install ${DEBIAN_WASM[*]}"
  fi
  say "wasm standard library: $route"
  setup_wasm_bindgen
}

# wasm32v1-none has no std at all: check.sh proves with it that core needs none.
rustup_target() {
  say "wasm standard library: asking rustup"
  rustup target add wasm32-unknown-unknown wasm32v1-none || { say "rustup could not add it"; return 1; }
}

# Its version must equal the library's exactly. Without --locked: its lock file may name a yanked version.
setup_wasm_bindgen() {
  local version
  version="$(locked_version wasm-bindgen)"
  [ -n "$version" ] || stop "Cargo.lock does not name wasm-bindgen" "run: cargo metadata --format-version 1 >/dev/null"
  if [ "$(.tools/bin/wasm-bindgen --version 2>/dev/null)" != "wasm-bindgen $version" ] || [ ! -x .tools/bin/wasm-bindgen-test-runner ]; then
    say "wasm-bindgen: building $version"
    cargo install wasm-bindgen-cli --version "=$version" --root .tools --force --quiet
  fi
  say "wasm-bindgen: $version"
}

setup_node() {
  have npm || stop "node and npm are missing" "on Debian: apt-get install nodejs npm"
  if ! node_is_new_enough; then
    say "node: installing $NODE_PIN beside $(node --version)"
    mkdir -p .tools/node24
    # The package's own script fetches the build for this platform, from the same registry.
    printf '{ "private": true, "allowScripts": { "node": true } }\n' >.tools/node24/package.json
    npm install --prefix .tools/node24 --no-save --no-package-lock --loglevel=error "node@$NODE_PIN" >/dev/null
    hash -r
    # shellcheck source=scripts/env.sh
    . scripts/env.sh
    node_is_new_enough || stop "node is still $(node --version)" "install Node $NODE_AT_LEAST or newer"
  fi
  say "node: $(node --version)"
  local folder
  for folder in "${NPM_FOLDERS[@]}"; do npm_folder "$folder"; done
}

node_is_new_enough() {
  node -e 'const [a, b] = process.versions.node.split(".").map(Number);
    const [c, d] = process.argv[1].split(".").map(Number);
    process.exit(a > c || (a === c && b >= d) ? 0 : 1)' "$NODE_AT_LEAST" 2>/dev/null
}

npm_folder() {
  local folder="$1" stamp="$1/node_modules/.strongroom-stamp"
  [ -f "$folder/package-lock.json" ] || stop "$folder/package-lock.json is missing" "run: npm install --prefix $folder"
  if ! same_as "$stamp" "$folder/package.json" "$folder/package-lock.json"; then
    say "npm: $folder"
    npm ci --prefix "$folder" --loglevel=error >/dev/null
    fingerprint "$folder/package.json" "$folder/package-lock.json" >"$stamp"
  fi
  say "npm: $folder up to date"
}

setup_python() {
  local python="${PYTHON:-python3}" stamp=.venv/.strongroom-stamp
  if [ ! -x .venv/bin/python ]; then
    have "$python" || stop "python3 is missing" "on Debian: apt-get install python3 python3-venv"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
      stop "$("$python" --version) is too old: 3.10 is needed" "set PYTHON to a newer one"
    say "python: creating .venv"
    "$python" -m venv .venv || { rm -rf .venv; stop "python cannot create a venv" "on Debian: apt-get install python3-venv"; }
    hash -r
  fi
  if ! same_as "$stamp" "${PYTHON_REQUIREMENTS[@]}"; then
    say "python: installing ${PYTHON_REQUIREMENTS[0]}"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "${PYTHON_REQUIREMENTS[0]}"
    fingerprint "${PYTHON_REQUIREMENTS[@]}" >"$stamp"
  fi
  say "python: $(.venv/bin/python --version) in .venv"
}

setup_browser() {
  if ! have chromium || ! have chromedriver; then
    say "browser: installing from Debian"
    install_debian "${DEBIAN_BROWSER[@]}"
  fi
  say "browser: $(chromium --version 2>/dev/null | head -n 1)"
}

# What the tests of stores, archives and alerts run against: each starts its own, none needs a service of the system.
setup_services() {
  if ! have age || ! have promtool || ! have strace || ! compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null; then
    say "services: installing from Debian"
    install_debian "${DEBIAN_SERVICES[@]}"
  fi
  say "services: $(/usr/lib/postgresql/*/bin/postgres --version | tail -n 1), age $(age --version), $(promtool --version 2>&1 | head -n 1 | cut -d, -f1,2)"
}

# What only the benchmarks need, and so no part of `all`.
setup_bench() { npm_folder bench; }

install_debian() {
  local become=()
  have apt-get || stop "missing: $*" "there is no apt-get here: install these with your system's package manager"
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || stop "missing: $*" "run: sudo apt-get install --no-install-recommends $*"
    become=(sudo -n)
  fi
  "${become[@]}" apt-get update -qq
  "${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
    stop "apt-get could not install: $*" "run: apt-get install --no-install-recommends $*"
  hash -r
}

for part in "${@:-all}"; do
  case "$part" in
    rust | wasm | node | python | browser | services | bench) "setup_$part" ;;
    all) for each in rust wasm node python browser services; do "setup_$each"; done ;;
    *) stop "unknown part: $part" "usage: scripts/setup.sh [rust|wasm|node|python|browser|services|bench|all]..." ;;
  esac
done
