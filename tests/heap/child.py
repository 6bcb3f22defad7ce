"""A Python process that works with a secret which no line of its Python ever sees, for its memory to be searched.

Arguments: the scenario, the path of a vault that holds the secret as `A`. The key is in the file that
`ENCRYPTION_KEY_FILE` names.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import faulthandler
import gc
import itertools
import sys
import threading
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, NoReturn, TypeVar, get_args

from strongroom import Format, Keyring, Secret, Vault, aio
from strongroom.stores import CommitAnswer, SQLiteStore, Store

SCENARIO, PATH = sys.argv[1:]
T = TypeVar("T")
kept: list[object] = []
"""What a scenario has when it is done, beyond what the process cannot do without."""


class Moments:
    """A store with two moments at each request, before it is done and after; at the `nth` something else happens."""

    def __init__(self, store: Store, nth: int, happens: Callable[[], object]) -> None:
        self._store, self._left, self._happens = store, nth, happens
        self.came = False

    def load(self, keys: Any, /) -> list[dict[str, Any]]:
        return self._do(lambda: self._store.load(keys))

    def list(self, query: Any, cursor: Any, /) -> dict[str, Any]:
        return self._do(lambda: self._store.list(query, cursor))

    def commit(self, change_set: Any, /) -> CommitAnswer:
        return self._do(lambda: self._store.commit(change_set))

    def events(self, query: Any, cursor: Any, /) -> dict[str, Any]:
        return self._do(lambda: self._store.events(query, cursor))

    def _do(self, call: Callable[[], T]) -> T:
        self._moment()
        answer = call()
        self._moment()
        return answer

    def _moment(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.came = True
            self._happens()


class Suspending:
    """The same with callbacks of asyncio, which suspend at each moment."""

    def __init__(self, store: Store, nth: int, happens: Callable[[], object]) -> None:
        self._moments, self._store = Moments(store, nth, happens), store

    @property
    def came(self) -> bool:
        return self._moments.came

    async def load(self, keys: Any, /) -> list[dict[str, Any]]:
        return await self._do(lambda: self._store.load(keys))

    async def list(self, query: Any, cursor: Any, /) -> dict[str, Any]:
        return await self._do(lambda: self._store.list(query, cursor))

    async def commit(self, change_set: Any, /) -> CommitAnswer:
        return await self._do(lambda: self._store.commit(change_set))

    async def events(self, query: Any, cursor: Any, /) -> dict[str, Any]:
        return await self._do(lambda: self._store.events(query, cursor))

    async def _do(self, call: Callable[[], T]) -> T:
        self._moments._moment()
        await asyncio.sleep(0)
        answer = call()
        self._moments._moment()
        await asyncio.sleep(0)
        return answer


OPERATIONS: list[Callable[..., Any]] = [
    lambda vault, secret, proposal: vault.get("A", actor="alice"),
    lambda vault, secret, proposal: vault.set("B", secret, actor="alice"),
    lambda vault, secret, proposal: vault.rotate("B", secret, actor="alice"),
    lambda vault, secret, proposal: vault.propose("rotate", "B", secret, actor="alice"),
    lambda vault, secret, proposal: vault.confirm(proposal, actor="alice"),
    lambda vault, secret, proposal: vault.command("secret get A", actor="alice"),
]


def guard() -> None:
    """A process that takes so long hangs. The time starts anew."""
    faulthandler.dump_traceback_later(240, exit=True)


def may_be_looked_at() -> None:
    guard()
    print("LOOK", flush=True)
    sys.stdin.readline()


def everything(vault: Vault) -> list[Secret]:
    """Every way of a value through a vault; gives the handles that came of it."""
    first = vault.get("A", actor="alice")
    vault.set("B", first, actor="alice")
    vault.rotate("A", first, actor="alice")
    for change in ("set", "rotate"):
        vault.confirm(vault.propose(change, "A", first, actor="alice").id, actor="alice")
    second = vault.get("B", actor="alice")
    assert first == second
    assert vault.command("secret get A", actor="alice").code is None
    return [first, second]


def at_every_moment(attempt: Callable[[Callable[[Any], Any], int], bool]) -> None:
    """Every operation, given up at its first moment, its second, and so on, until it ends before it is given up. The
    process may be looked at each time, before anything else could use the memory again.
    """
    with SQLiteStore(PATH) as store:
        vault = Vault(Keyring.from_env(), store)
        with vault.get("A", actor="alice") as secret:
            vault.set("B", secret, actor="alice")
        for operation in OPERATIONS:
            for nth in itertools.count(1):
                with vault.get("A", actor="alice") as secret:
                    proposal = vault.propose("rotate", "B", secret, actor="alice").id
                    is_given_up = attempt(partial(operation, secret=secret, proposal=proposal), nth)
                may_be_looked_at()
                if not is_given_up:
                    assert nth > 2, "nothing was given up"
                    break


def holds_a_secret() -> None:
    with SQLiteStore(PATH) as store:
        kept.append(Vault(Keyring.from_env(), store).get("A", actor="alice"))


def reveals_a_secret() -> None:
    with SQLiteStore(PATH) as store, Vault(Keyring.from_env(), store).get("A", actor="alice") as secret:
        kept.append(secret.reveal())


def has_a_secret_in_other_encodings() -> None:
    with SQLiteStore(PATH) as store, Vault(Keyring.from_env(), store).get("A", actor="alice") as secret:
        octets = secret.reveal_bytes()
        kept.extend(base64.urlsafe_b64encode(b"?" * before + octets) for before in range(3))
        kept.append(octets.hex())


def wipes_what_it_had() -> None:
    with SQLiteStore(PATH) as store:
        for secret in everything(Vault(Keyring.from_env(), store)):
            secret.wipe()


def lets_go_of_what_it_had() -> None:
    with SQLiteStore(PATH) as store:
        everything(Vault(Keyring.from_env(), store))


class Forever:
    """Awaited, it suspends whenever it is asked, without a loop."""

    def __await__(self) -> Generator[None, None, NoReturn]:
        while True:
            yield


class Uncommitting(Suspending):
    """A store that never comes to the end of a commit."""

    is_committing = False

    async def commit(self, change_set: Any, /) -> CommitAnswer:
        self.is_committing = True
        await Forever()


def waits_in_the_middle() -> None:
    """Left where it is, with its session: what a cancellation has to wipe is there to be found."""
    store = Uncommitting(SQLiteStore(PATH), 0, lambda: None)
    with Vault(Keyring.from_env(), store._store).get("A", actor="alice") as secret:
        steps = aio.Vault(Keyring.from_env(), store).rotate("A", secret, actor="alice")
        while not store.is_committing:
            steps.send(None)
    kept.append(steps)


def is_cancelled_in_the_loop() -> None:
    def attempt(operate: Callable[[Any], Any], nth: int) -> bool:
        async def cancelled() -> bool:
            task = asyncio.current_task()
            assert task is not None
            with SQLiteStore(PATH) as store:
                suspending = Suspending(store, nth, task.cancel)
                with contextlib.suppress(asyncio.CancelledError):
                    await operate(aio.Vault(Keyring.from_env(), suspending))
            return suspending.came

        return asyncio.run(cancelled())

    at_every_moment(attempt)


def is_cancelled_in_threads() -> None:
    def attempt(operate: Callable[[Any], Any], nth: int) -> bool:
        async def cancelled() -> bool:
            loop, task = asyncio.get_running_loop(), asyncio.current_task()
            assert task is not None
            with SQLiteStore(PATH) as store:
                moments = Moments(store, nth, lambda: loop.call_soon_threadsafe(task.cancel))
                with contextlib.suppress(asyncio.CancelledError):
                    await operate(aio.Vault(Keyring.from_env(), moments))
                await loop.shutdown_default_executor()
            return moments.came

        return asyncio.run(cancelled())

    at_every_moment(attempt)


def is_interrupted() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    def attempt(operate: Callable[[Any], Any], nth: int) -> bool:
        with SQLiteStore(PATH) as store:
            moments = Moments(store, nth, interrupt)
            with contextlib.suppress(KeyboardInterrupt):
                operate(Vault(Keyring.from_env(), moments))
        return moments.came

    at_every_moment(attempt)


def is_dropped_in_the_middle() -> None:
    """Coroutines that nobody awaits to their end."""

    def attempt(operate: Callable[[Any], Any], nth: int) -> bool:
        with SQLiteStore(PATH) as store:
            suspending = Suspending(store, nth, lambda: None)
            steps = operate(aio.Vault(Keyring.from_env(), suspending))
            with contextlib.suppress(StopIteration):
                while not suspending.came:
                    steps.send(None)
        return suspending.came

    at_every_moment(attempt)


def uses_a_keyring() -> Keyring:
    keyring = Keyring.from_env()
    for token in (keyring.encrypt("a", format=each) for each in get_args(Format)):
        assert keyring.decrypt(token) == b"a"
    with SQLiteStore(PATH) as store:
        for secret in everything(Vault(keyring, store)):
            secret.wipe()
    return keyring


def keeps_a_keyring() -> None:
    kept.append(uses_a_keyring())


def lets_go_of_a_keyring() -> None:
    uses_a_keyring()


def exports_a_keyring() -> None:
    kept.append(uses_a_keyring().dangerous_export())


def hangs() -> None:
    threading.Event().wait()


if __name__ == "__main__":
    guard()
    globals()[SCENARIO]()
    gc.collect()
    guard()
    print("READY", flush=True)
    sys.stdin.read()
