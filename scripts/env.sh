# shellcheck shell=bash
# Source me: `. scripts/env.sh` puts the project's own tools on PATH.
# Node of the PATH stays in front when it is new enough: then .tools/node24 does not exist.

_strongroom_root="$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd)"
for _strongroom_dir in .tools/bin .tools/node24/node_modules/node/bin .venv/bin; do
  case ":$PATH:" in
    *":$_strongroom_root/$_strongroom_dir:"*) ;;
    *) PATH="$_strongroom_root/$_strongroom_dir:$PATH" ;;
  esac
done
export PATH
unset _strongroom_root _strongroom_dir
