#!/usr/bin/env bash
# cargo for wasm32-unknown-unknown, by whichever route this machine has:
#   toolchain  the active toolchain carries the target's standard library;
#   debian     Debian's rustc-web builds the standard library from rust-web-src (a target directory of its own).
# Usage: scripts/wasm-cargo.sh build|test|check... [ARGS]
#        scripts/wasm-cargo.sh --no-std check...   with nothing but core and alloc to link against
#        scripts/wasm-cargo.sh --route             prints the route; fails when there is none
# STRONGROOM_WASM_ROUTE=toolchain|debian takes that route and no other.
set -euo pipefail
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

TARGET=wasm32-unknown-unknown
DEBIAN=/usr/bin

main() {
  local route std=std,panic_abort
  route="$(find_route)" || stop "no Rust toolchain here can build for $TARGET" "run: scripts/setup.sh wasm"
  case "${1:-}" in
    --route) echo "$route" && return ;;
    --no-std) std=core,alloc && shift ;;
  esac
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER="$ROOT/.tools/bin/wasm-bindgen-test-runner"
  export CARGO_TARGET_DIR="$ROOT/target/wasm"
  # wasm-bindgen reads the section that says which features the module uses; build-wasm.sh strips after it.
  export CARGO_PROFILE_WASM_STRIP=none
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="$(small)"
  "by_$route" "$std" "$@"
}

# What keeps the module small (docs/adr/0011): the compact forms of the ciphers, and no path of the machine that built it
# in what would be said of a panic.
small() {
  echo "--cfg sha2_backend_soft=\"compact\" --cfg aes_backend_soft=\"compact\"" \
    "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=deps" \
    "--remap-path-prefix=${RUSTUP_HOME:-$HOME/.rustup}=rust --remap-path-prefix=$ROOT=."
}

find_route() {
  local route
  for route in ${STRONGROOM_WASM_ROUTE:-toolchain debian}; do
    if "has_$route"; then
      echo "$route"
      return
    fi
  done
  return 1
}

has_toolchain() { has_std "$TARGET"; }

has_debian() { [ -x "$DEBIAN/cargo" ] && [ -d "$(debian_sources)" ] && have wasm-ld-19; }

has_std() {
  local folder
  folder="$(rustc --print target-libdir --target "$1" 2>/dev/null)" && compgen -G "$folder/libcore-*.rlib" >/dev/null
}

debian_sources() { echo "$("$DEBIAN/rustc" --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/std"; }

by_toolchain() {
  local std="$1" command="$2"
  shift 2
  if [ "$std" = core,alloc ]; then
    TARGET=wasm32v1-none # rustc ships no std for it
    if ! has_std "$TARGET"; then
      has_debian && by_debian "$std" "$command" "$@"
      stop "the standard library of $TARGET is missing" "run: rustup target add $TARGET"
    fi
  fi
  exec cargo "$command" --target "$TARGET" "$@"
}

by_debian() {
  local std="$1" command="$2"
  shift 2
  TARGET=wasm32-unknown-unknown
  export RUSTC_BOOTSTRAP=1 RUSTC="$DEBIAN/rustc" RUSTDOC="$DEBIAN/rustdoc"
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19
  exec "$DEBIAN/cargo" "$command" --target "$TARGET" "-Zbuild-std=$std" "$@"
}

main "$@"
