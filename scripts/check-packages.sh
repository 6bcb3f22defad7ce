#!/usr/bin/env bash
# Installs each package of dist/ where there is nothing else, imports it, and compares the version it tells; then looks
# for the feature `transcripts`, which no package may have.
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

# Each host does the main job once, with what was packed and nothing else, and prints the version.
check_wheel() {
  "${PYTHON:-python3}" -m venv "$EMPTY/venv"
  "$EMPTY/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index "$DIST"/strongroom-"$VERSION"-cp310-abi3-*.whl
  cat >"$EMPTY/main_job.py" <<'PYTHON'
import strongroom
from strongroom.stores import SQLiteStore

keyring = strongroom.Keyring.generate()
token = keyring.encrypt(b"hunter2", associated_data=b"user:42")
assert keyring.decrypt(token, associated_data=b"user:42") == b"hunter2"
with SQLiteStore("python.db") as store:
    vault = strongroom.Vault(keyring, store)
    vault.set("A", "sk_test_abc123", actor="alice")
    assert vault.get("A", actor="alice").reveal() == "sk_test_abc123"
    assert vault.verify_audit(actor="alice").events > 2
print(strongroom.__version__)
PYTHON
  (cd "$EMPTY" && venv/bin/python main_job.py)
}

# npm_install FOLDER TARBALL...
npm_install() {
  mkdir "$EMPTY/$1"
  printf '{ "private": true, "type": "module" }\n' >"$EMPTY/$1/package.json"
  npm install --prefix "$EMPTY/$1" --offline --loglevel=error "${@:2}" >/dev/null
}

check_node() {
  npm_install node "$DIST/strongroom-$VERSION.tgz" "$DIST/strongroom-linux-x64-gnu-$VERSION.tgz"
  cat >"$EMPTY/node/main_job.mjs" <<'JAVASCRIPT'
import assert from "node:assert/strict";
import { Keyring, Vault, version } from "strongroom";
import { SqliteStore } from "strongroom/sqlite";

const keyring = Keyring.generate();
const token = keyring.encrypt("hunter2", { associatedData: "user:42" });
assert.equal(keyring.decrypt(token, { associatedData: "user:42" }), "hunter2");
const vault = new Vault({ keyring, store: new SqliteStore("node.db") });
await vault.set("A", "sk_test_abc123", { actor: "alice" });
assert.equal((await vault.get("A", { actor: "alice" })).reveal(), "sk_test_abc123");
assert.ok((await vault.verifyAudit({ actor: "alice" })).events > 2);
console.log(version());
JAVASCRIPT
  (cd "$EMPTY/node" && node main_job.mjs &&
    [ "$(node --input-type=commonjs -p 'require("strongroom").version()')" = "$VERSION" ])
}

check_web() {
  npm_install web "$DIST/strongroom-web-$VERSION.tgz"
  cat >"$EMPTY/web/main_job.mjs" <<'JAVASCRIPT'
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { init, Keyring, version } from "strongroom-web";

await init(await readFile(fileURLToPath(import.meta.resolve("strongroom-web/strongroom.wasm"))));
const keyring = Keyring.generate();
assert.equal(keyring.decrypt(keyring.encrypt("hunter2")), "hunter2");
console.log(version());
JAVASCRIPT
  (cd "$EMPTY/web" && node main_job.mjs)
}

# A user's program must compile in strict mode against the declarations that were packed, and nothing else.
check_types() {
  local folder="$EMPTY/$1"
  printf 'import { version } from "%s";\nexport const told: string = version();\n' "$2" >"$folder/user.ts"
  (cd "$folder" && "$ROOT/node_modules/.bin/tsc" --strict --noEmit --module nodenext --target es2022 --lib "$3" \
    --typeRoots "$ROOT/node_modules/@types" --types "$4" user.ts) || stop "$2: the packed types do not compile"
  say "$2: a strict TypeScript program compiles against it"
}

found="$(check_wheel)" && expect "python strongroom" "$found"
found="$(check_node)" && expect "npm strongroom" "$found"
check_types node strongroom es2023,esnext.disposable node
found="$(check_web)" && expect "npm strongroom-web" "$found"
check_types web strongroom-web es2023,esnext.disposable,dom ""

# The feature `transcripts` lets a test choose all randomness. What it leaves in a build: its own words, and its export.
# shellcheck disable=SC2016  # the backquotes are part of the text
MARKER='strongroom was built with the feature `transcripts`'

# holds FOLDER TEXT: whether any file in the folder does.
holds() { grep --recursive --quiet --text --fixed-strings -- "$2" "$1"; }

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
