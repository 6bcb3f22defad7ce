"""A provider of values that outlives its processes, and a process that rotates a secret there and dies at a moment.

`python rotating.py DATABASE KEY PROVIDER WHERE` rotates and is killed with -9 at WHERE; `nowhere` lets it live.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, ClassVar

from strongroom import Keyring, Rotation, Secret, Vault
from strongroom.stores import CommitAnswer, SQLiteStore

WHERE = [
    f"{when} {what}"
    for what in (
        "the begin is committed",
        "create",
        "what was created is committed",
        "activate",
        "the end is committed",
    )
    for when in ("before", "after")
]


class Provider:
    """Has its values in a file. What is in use is good, what was before it, and what is still to be activated."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self._path.read_text())
        return state

    def start_with(self, value: str) -> None:
        self._path.write_text(json.dumps({"in_use": value, "before": None, "issued": {}, "activations": []}))

    def accepts(self, value: str) -> bool:
        state = self.state
        return value in (state["in_use"], state["before"], *state["issued"].values())

    def create(self, rotation: Rotation, /) -> str:
        """The same value, however often it is asked for the same rotation."""
        state = self.state
        value: str = state["issued"].setdefault(rotation.id, f"issued {len(state['issued']) + 1} of {rotation.name}")
        self._write(state)
        return value

    def activate(self, rotation: Rotation, value: Secret, /) -> None:
        state = self.state
        if state["issued"].get(rotation.id) != value.reveal():
            raise LookupError(f"rotation {rotation.id} was never given that value")
        if state["in_use"] != value.reveal():
            state["in_use"], state["before"] = value.reveal(), state["in_use"]
        state["activations"].append([rotation.id, rotation.version, value.reveal()])
        self._write(state)

    def _write(self, state: dict[str, Any]) -> None:
        aside = self._path.with_suffix(".new")
        aside.write_text(json.dumps(state))
        aside.replace(self._path)


class Deadly:
    """A store and a rotator in one, which kill their process at a moment."""

    COMMITS: ClassVar = {
        "rotate_begin": "the begin is committed",
        "rotate_create": "what was created is committed",
        "rotate": "the end is committed",
    }

    def __init__(self, store: SQLiteStore, provider: Provider, where: str) -> None:
        self._store, self._provider, self._where = store, provider, where
        self.load, self.list, self.events = store.load, store.list, store.events

    def commit(self, change_set: dict[str, Any], /) -> CommitAnswer:
        what = self.COMMITS[change_set["events"][0]["action"]]
        self._maybe_dies("before", what)
        answer = self._store.commit(change_set)
        self._maybe_dies("after", what)
        return answer

    def create(self, rotation: Rotation, /) -> str:
        self._maybe_dies("before", "create")
        value = self._provider.create(rotation)
        self._maybe_dies("after", "create")
        return value

    def activate(self, rotation: Rotation, value: Secret, /) -> None:
        self._maybe_dies("before", "activate")
        self._provider.activate(rotation, value)
        self._maybe_dies("after", "activate")

    def _maybe_dies(self, when: str, what: str) -> None:
        if self._where == f"{when} {what}":
            os.kill(os.getpid(), signal.SIGKILL)


def main(database: str, key: str, provider: str, where: str) -> None:
    with SQLiteStore(database) as store:
        deadly = Deadly(store, Provider(Path(provider)), where)
        written = Vault(Keyring.parse(key), deadly).rotate("DB_PASSWORD", rotator=deadly, actor="alice")
        print(written.version)


if __name__ == "__main__":
    main(*sys.argv[1:])
