# shellcheck shell=bash
# Sourced by the scripts: where the repository is, and how a step speaks, is timed, and stops.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT" || exit 1
# shellcheck source=scripts/env.sh
. scripts/env.sh

say() { printf '==> %s\n' "$*"; }

# Stops the script. First line: what is wrong; the others: what to run.
stop() {
  printf 'error: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# timed NAME COMMAND...: announces a step, runs it, and says how long it took.
timed() {
  local name="$1" started="$SECONDS"
  shift
  say "$name"
  "$@" || stop "failed: $name ($((SECONDS - started)) s)" "the step: $*"
  printf '    %s: %d s\n' "$name" "$((SECONDS - started))"
}

# same_as STAMP FILE...: whether the files are as they were when the stamp was written.
same_as() {
  local stamp="$1"
  shift
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint "$@")" ]
}

fingerprint() { cat "$@" | cksum; }

# The version of a crate as Cargo.lock pins it.
locked_version() {
  awk -v want="name = \"$1\"" '$0 == want { getline; gsub(/[^0-9.]/, ""); print; exit }' Cargo.lock
}
