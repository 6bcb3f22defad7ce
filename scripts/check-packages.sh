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
  (cd "$EMPTY/node" && node --input-type=module -e 'import { version } from "strongroom"; console.log(version());')
}

check_web() {
  npm_install web "$DIST/strongroom-web-$VERSION.tgz"
  (cd "$EMPTY/web" && node --input-type=module -e '
    import { readFile } from "node:fs/promises";
    import { fileURLToPath } from "node:url";
    import init, { version } from "strongroom-web";
    const module = fileURLToPath(import.meta.resolve("strongroom-web/strongroom.wasm"));
    await init({ module_or_path: await readFile(module) });
    console.log(version());')
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
