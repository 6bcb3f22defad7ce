#!/usr/bin/env bash
# Installs each package of dist/ where there is nothing else, imports it, compares the version it tells, and runs the
# README's code with it; looks for the feature `transcripts`, which no package may have; then states sizes and times.
set -euo pipefail
# shellcheck source=scripts/steps.sh
. "$(dirname "$0")/steps.sh"

VERSION="$(scripts/version.sh)"
DIST="$ROOT/dist"
EMPTY="$(mktemp -d)"
trap 'rm -rf "$EMPTY"' EXIT

# expect WHAT FOUND
expect() {
  [ "$2" = "$VERSION" ] || stop "$1 says its version is '$2', not $VERSION"
  say "$1 installs and imports: $2"
}

# Each host is installed with what was packed and nothing else, and prints the version.
check_wheel() {
  "${PYTHON:-python3}" -m venv "$EMPTY/venv"
  "$EMPTY/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index "$DIST"/strongroom-"$VERSION"-cp310-abi3-*.whl
  (cd "$EMPTY" && venv/bin/python -c 'import strongroom; print(strongroom.__version__)')
}

# npm_install FOLDER TARBALL...
npm_install() {
  mkdir "$EMPTY/$1"
  printf '{ "private": true, "type": "module" }\n' >"$EMPTY/$1/package.json"
  npm install --prefix "$EMPTY/$1" --offline --loglevel=error "${@:2}" >/dev/null
}

check_node() {
  npm_install node "$DIST/strongroom-$VERSION.tgz" "$DIST/strongroom-linux-x64-gnu-$VERSION.tgz"
  # Without pg, which only a store of it needs.
  (cd "$EMPTY/node" && node --input-type=module -e 'import "strongroom/file"; import "strongroom/postgres"; import "strongroom/testing"' &&
    node --input-type=module -e 'import { version } from "strongroom"; console.log(version())' &&
    [ "$(node --input-type=commonjs -p 'require("strongroom").version()')" = "$VERSION" ])
}

# In Node too, which no browser is needed for: there the module is given.
check_web() {
  npm_install web "$DIST/strongroom-web-$VERSION.tgz"
  cat >"$EMPTY/web/version.mjs" <<'JAVASCRIPT'
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { init, version } from "strongroom-web";
import { initArchives } from "strongroom-web/archive";

const bytes = (module) => readFile(fileURLToPath(import.meta.resolve(`strongroom-web/${module}.wasm`)));
await init(await bytes("strongroom"));
await initArchives(await bytes("archive"));
console.log(version());
JAVASCRIPT
  (cd "$EMPTY/web" && node version.mjs)
}

# A user's program must compile in strict mode against the declarations that were packed, and nothing else.
check_types() {
  local folder="$EMPTY/$1"
  printf 'import { version } from "%s";\nexport const told: string = version();\n' "$2" >"$folder/user.ts"
  (cd "$folder" && "$ROOT/node_modules/.bin/tsc" --strict --noEmit --module nodenext --target es2022 --lib "$3" \
    --typeRoots "$ROOT/node_modules/@types" --types "$4" user.ts) || stop "$2: the packed types do not compile"
  say "$2: a strict TypeScript program compiles against it"
}

found="$(check_wheel)" || stop "python strongroom does not install and import"
expect "python strongroom" "$found"
found="$(check_node)" || stop "npm strongroom does not install and import"
expect "npm strongroom" "$found"
check_types node strongroom es2023,esnext.disposable node
found="$(check_web)" || stop "npm strongroom-web does not install and import"
expect "npm strongroom-web" "$found"
check_types web strongroom-web es2023,esnext.disposable,dom ""

say "the README's code, with what was packed"
.venv/bin/python tests/readme.py --python "$EMPTY/venv/bin/python" --node "$EMPTY/node" --web "$EMPTY/web"

# The feature `transcripts` lets a test choose all randomness. What it leaves in a build: its own words, and its export.
# shellcheck disable=SC2016  # the backquotes are part of the text
MARKER='strongroom was built with the feature `transcripts`'

# holds FOLDER TEXT: whether any file in the folder does. A search that fails is no answer.
holds() {
  [ -d "$1" ] || stop "$1 is no folder: there is nothing to search"
  local found=0
  grep --recursive --quiet --text --fixed-strings -- "$2" "$1" || found=$?
  [ "$found" -le 1 ] || stop "grep can't search $1"
  return "$found"
}

# unpack ARCHIVE FOLDER
unpack() {
  mkdir -p "$2"
  case "$1" in
    *.whl) "${PYTHON:-python3}" -m zipfile -e "$1" "$2" ;;
    *.tgz) tar -xzf "$1" -C "$2" ;;
    *) stop "$1 is no package that is known here" ;;
  esac
}

# check_chosen_randomness ARCHIVE BUILD EXPORT: the package has none of it, and the build with the feature has all of it,
# so that what is searched for is what would be there.
check_chosen_randomness() {
  local archive="$1" build="$2" export="$3" folder text
  folder="$EMPTY/unpacked/$(basename "$archive")"
  unpack "$archive" "$folder"
  for text in "$MARKER" "$export"; do
    holds "$build" "$text" || stop "'$text' is not found in $build, where it must be: the search is no good"
    ! holds "$folder" "$text" || stop "$archive holds '$text': it was built with the feature transcripts; pack it again"
  done
  say "$(basename "$archive"): no chosen randomness"
}

scripts/build-transcripts.sh
check_chosen_randomness "$(compgen -G "$DIST/strongroom-$VERSION-cp310-abi3-*.whl")" target/transcripts/python fix_entropy
check_chosen_randomness "$DIST/strongroom-linux-x64-gnu-$VERSION.tgz" target/transcripts/node fixEntropy
check_chosen_randomness "$DIST/strongroom-web-$VERSION.tgz" target/transcripts/web fixEntropy

# What is stated, not judged: how long importing takes depends on the machine.

# median_millis PROGRAM...: of ten runs.
median_millis() {
  local started
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    started="$(date +%s%N)"
    "$@" || return
    echo $(($(date +%s%N) - started))
  done | sort -n | awk '{ nanos[NR] = $1 } END { if (NR != 10) exit 1; printf "%.1f\n", (nanos[5] + nanos[6]) / 2e6 }'
}

# say_import NAME EMPTY IMPORT PROGRAM...: the time that a program needs more when it imports the package.
say_import() {
  local name="$1" without with
  without="$(median_millis "${@:4}" "$2")" || stop "$4 does not run"
  with="$(median_millis "${@:4}" "$3")" || stop "$name does not import"
  say "$name: import takes $(awk "BEGIN { printf \"%.1f\", $with - $without }") ms (median of 10: $with, without it $without)"
}

(cd "$DIST" && for archive in *; do say "$archive: $(wc -c <"$archive") bytes"; done)
(cd "$EMPTY" && say_import "python strongroom" pass "import strongroom" venv/bin/python -c)
(cd "$EMPTY/node" && say_import "npm strongroom" 0 'await import("strongroom")' node --input-type=module -e)

# What it is, and some room: each operation more costs about 2 KB (docs/adr/0011).
MODULE_MAX=440000
module="$EMPTY/unpacked/strongroom-web-$VERSION.tgz/package/lib/wasm/pkg/strongroom_wasm_bg.wasm"
[ -f "$module" ] || stop "strongroom-web-$VERSION.tgz has no strongroom_wasm_bg.wasm where it is expected"
gzipped="$(gzip -9 -c "$module" | wc -c)"
say "strongroom_wasm_bg.wasm: $(wc -c <"$module") bytes, $gzipped gzipped"
[ "$gzipped" -le "$MODULE_MAX" ] || stop "strongroom_wasm_bg.wasm is more than $MODULE_MAX bytes gzipped: see what made it grow"
