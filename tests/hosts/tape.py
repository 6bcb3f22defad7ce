"""A record of what a session asked, when, and what it was answered; and a store that fails when it is told to.

The native part's own texts are kept, to the letter.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from strongroom import Rotation, Secret, _native
from strongroom.stores import CommitAnswer, MemoryStore


class Tape:
    """The record, and the clock.

    Once that is set, it advances by a millisecond with each request, and by what was asked for with each wait.
    """

    def __init__(self) -> None:
        self.taken: list[Any] = []
        """Of each step: the time, the reply, the request; the values beside the one, and beside the other."""
        self._given: list[str] = []
        self._at: int | None = None

    @classmethod
    def install(cls) -> Tape:
        """Puts itself between the package and its native part."""
        tape, open_vault, system = cls(), _native.open_vault, time.time

        def taped(keyring: _native.Keyring, options: str, watch: _native.AccessWatch | None) -> Any:
            return _TapedVault(tape, open_vault(keyring, options, watch))

        # Half a millisecond more, so that what comes of the multiplication is never a hair too little.
        def now() -> float:
            return system() if tape._at is None else (tape._at + 0.5) / 1000

        _native.open_vault = taped
        time.time = now
        return tape

    def set_clock(self, at: int) -> None:
        self._at = at

    def rewind(self) -> None:
        """Forgets what was taken before."""
        self.taken, self._given = [], []

    def _take(self, now: float, reply: str | None, text: str) -> None:
        ask = json.loads(text).get("ask")
        told = None if reply is None else json.loads(reply)
        self.taken.append([int(now), told, None if ask is None else text, self._given, []])
        self._given = []
        if ask is not None and self._at is not None:
            self._at += ask["request"].get("wait", {"millis": 1})["millis"]

    def _give(self, value: _native.Secret) -> None:
        self._given.append(value.reveal_bytes().decode())

    def _show(self, value: _native.Secret | None) -> None:
        """A value that is taken while a request is open goes with that."""
        if value is not None and self.taken and self.taken[-1][2] is not None:
            self.taken[-1][4].append(value.reveal_bytes().decode())


class _TapedVault:
    def __init__(self, tape: Tape, vault: _native.Vault) -> None:
        self._tape, self._vault = tape, vault
        self.metrics = vault.metrics

    def begin(self, operation: str, value: _native.Secret | None) -> _TapedSession:
        return _TapedSession(self._tape, self._vault.begin(operation, value))


class _TapedSession:
    def __init__(self, tape: Tape, session: _native.Session) -> None:
        self._tape, self._session, self._has_begun = tape, session, False
        self.close, self.is_long = session.close, session.is_long

    def offer(self, value: _native.Secret) -> None:
        # Before the first step it is an argument, and stands in the script.
        if self._has_begun:
            self._tape._give(value)
        self._session.offer(value)

    def take_secret(self) -> _native.Secret | None:
        value = self._session.take_secret()
        self._tape._show(value)
        return value

    def step(self, now: float, reply: str | None) -> tuple[str, str | None]:
        self._has_begun = True
        text, content = self._session.step(now, reply)
        self._tape._take(now, reply, _whole(text, content))
        return text, content


def _whole(step: str, content: str | None) -> str:
    """A step as the other hosts have it, with what is asked in it."""
    if content is None:
        return step
    kind = json.loads(step)["ask"]["kind"]
    return step.replace(f'"kind":"{kind}"', f'"request":{{"{kind}":{content}}}', 1)


class Surroundings:
    """An environment, files, and a rotator, as a script has them.

    What is `null` cannot be read. `created` are the values that the rotator will give, `null` where it raises;
    `activated` says of each activation to come whether it raises.
    """

    def __init__(self) -> None:
        self.set()

    def set(
        self,
        env: dict[str, str | None] | None = None,
        files: dict[str, str | None] | None = None,
        created: list[str | None] | None = None,
        activated: list[str] | None = None,
    ) -> None:
        self.env, self.files = env or {}, files or {}
        self.created, self.activated = created or [], activated or []

    def read_env(self, name: str) -> str | None:
        return self._read(self.env, name)

    def read_file(self, path: str) -> str | None:
        return self._read(self.files, path)

    def create(self, _rotation: Rotation, /) -> str:
        created = self.created.pop(0) if self.created else None
        if created is None:
            raise OSError("no value was made")
        return created

    def activate(self, _rotation: Rotation, _value: Secret, /) -> None:
        if self.activated and self.activated.pop(0) == "throws":
            raise OSError("it was not activated")

    @staticmethod
    def _read(values: dict[str, str | None], key: str) -> str | None:
        if key not in values:
            return None
        value = values[key]
        if value is None:
            raise OSError("it cannot be read")
        return value


class TapedStore:
    """The package's store in memory, with pages of a length to choose, and with faults.

    `load`, `list`, `commit` and `events` each have a list of those to come. `throws` before anything is done, `lost`
    afterwards; a commit is also `failed` and answered `conflict`, with nothing done; `none` is no fault.
    """

    def __init__(self, rows: dict[str, Any], page: int) -> None:
        self.faults: dict[str, list[str]] = {}
        self._store, self._page = MemoryStore(), page
        self.put(rows)

    def target(self) -> TapedStore:
        """An empty store like this one, for its vault to be copied to."""
        return TapedStore({"records": [], "events": []}, self._page)

    def put(self, rows: dict[str, Any]) -> None:
        """Adds rows, as another program would."""
        indexes = {json.dumps(each["key"]): each["index"] for each in rows.get("indexes", [])}
        puts = [
            {
                "record": record,
                "expected": "absent",
                "index": indexes.get(json.dumps(record["key"]), {}),
            }
            for record in rows["records"]
        ]
        change_set = {
            "operation_id": "rows",
            "puts": puts,
            "deletes": [],
            "checks": [],
            "counters": [],
        }
        self._store.commit({**change_set, "events": rows["events"]})

    def load(self, keys: list[dict[str, Any]], /) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = self._answered("load", lambda: self._store.load(keys))
        return answer

    def list(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        answer: dict[str, Any] = self._answered("list", lambda: self._store.list(self._shortened(query), cursor))
        return answer

    def events(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        answer: dict[str, Any] = self._answered("events", lambda: self._store.events(self._shortened(query), cursor))
        return answer

    def commit(self, change_set: dict[str, Any], /) -> CommitAnswer:
        answer: CommitAnswer = self._answered("commit", lambda: self._store.commit(change_set))
        return answer

    def _answered(self, method: str, answer: Callable[[], Any]) -> Any:
        faults = self.faults.get(method, [])
        fault = faults.pop(0) if faults else "none"
        if fault in ("failed", "conflict"):
            return fault
        if fault == "throws":
            raise OSError("before anything was done")
        answered = answer()
        if fault == "lost":
            raise OSError("on the way back")
        return answered

    def _shortened(self, query: dict[str, Any]) -> dict[str, Any]:
        return {**query, "limit": min(query["limit"], self._page)}
