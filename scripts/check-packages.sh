#!/usr/bin/env bash
# Installs each package of dist/ where there is nothing else, imports it, and compares the version it tells.
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
