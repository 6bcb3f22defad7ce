#!/usr/bin/env bash
# Prints the one version of all packages; fails when a manifest carries another.
set -euo pipefail
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

VERSION="$(awk '/^\[workspace.package\]/ { inside = 1 } inside && /^version = / { gsub(/[^0-9.]/, ""); print; exit }' Cargo.toml)"
[ -n "$VERSION" ] || stop "Cargo.toml has no version in [workspace.package]"

for manifest in {core,bindings,wasm,wasm/testing,wasm/archive,python,node}/Cargo.toml; do
  grep -q '^version.workspace = true' "$manifest" || stop "$manifest does not take its version from the workspace"
done
for crate in strongroom strongroom-bindings; do
  grep -q "^$crate = .*version = \"$VERSION\"" Cargo.toml || stop "Cargo.toml: the workspace dependency $crate is not $VERSION"
done
grep -q '^dynamic = .*"version"' python/pyproject.toml || stop "python/pyproject.toml does not take its version from Cargo.toml"
# shellcheck disable=SC2016  # JavaScript, not the shell's
node -e '
  const { readFileSync } = require("node:fs");
  const [version, ...files] = process.argv.slice(1);
  for (const file of files) {
    const { version: own, optionalDependencies = {} } = JSON.parse(readFileSync(file, "utf8"));
    for (const [what, found] of [["version", own], ...Object.entries(optionalDependencies)]) {
      if (found !== version) {
        console.error(`error: ${file}: ${what} is ${found}, not ${version}`);
        process.exitCode = 1;
      }
    }
  }' "$VERSION" node/package.json node/npm/*/package.json wasm/package.json
echo "$VERSION"
