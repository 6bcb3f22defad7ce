"""What asyncio adds to a vault: tasks, event loops, worker threads, and stores that fail in asyncio's own ways.

That an asyncio vault does what a synchronous one does is shown by `test_vault.py`, which runs over both.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import inspect
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from unittest.mock import AsyncMock, create_autospec

import pytest

import test_faults
from asynchronous import AsyncioStore, in_loops
from behaviour import in_threads
from strongroom import Keyring, Secret, StrongroomError, Vault, aio
from strongroom.errors import AuditTamperedError, InvalidArgumentError, SecretNotFoundError, StorageFailedError
from strongroom.stores import AsyncStore, MemoryStore, SQLiteStore, Store
from test_faults import FAULTS, KEYRING, OPERATIONS, Faulty, StoreFaultError, furnished, requests_of
from test_leaks import Failing, Session, of_package, told_by

VALUE = "sk_test_0123456789_the_rest_is_secret"


@pytest.fixture
def vault(keyring: Keyring, store: Store) -> aio.Vault:
    return aio.Vault(keyring, store)


# The two classes.


def methods(of: type) -> dict[str, Callable[..., Any]]:
    return {name: each for name, each in inspect.getmembers(of, inspect.isfunction) if not name.startswith("_")}


def parameters(of: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    return [(each.name, each.kind, each.default) for each in inspect.signature(of).parameters.values()]


def test_both_vaults_have_the_same_methods_with_the_same_parameters() -> None:
    theirs = methods(Vault)
    assert len(theirs) == 51
    assert {name: parameters(each) for name, each in methods(aio.Vault).items()} == {
        name: parameters(each) for name, each in theirs.items()
    }
    assert parameters(aio.Vault.__init__) == parameters(Vault.__init__)
    assert [each.__doc__ for each in methods(aio.Vault).values()] == [each.__doc__ for each in theirs.values()]


def test_every_method_is_a_coroutine_function_to_those_who_ask() -> None:
    spec = create_autospec(aio.Vault, instance=True)
    theirs = methods(aio.Vault)
    for pages in ("export_audit", "rekey_pages", "renew_root_pages"):
        assert inspect.isasyncgenfunction(theirs.pop(pages))
    # It asks the store nothing, so there is nothing to wait for.
    assert inspect.signature(theirs.pop("metrics")).return_annotation == "str"
    for name, method in theirs.items():
        returned = inspect.signature(method).return_annotation
        assert inspect.iscoroutinefunction(method) or returned.startswith("Coroutine[Any, Any, "), name
        # What mocks go by, so that a host can test its own code without a vault.
        assert isinstance(getattr(spec, name), AsyncMock), name


# Tasks, loops and threads.


def test_two_hundred_tasks_on_one_vault_lose_nothing(keyring: Keyring, tmp_path: Path) -> None:
    names = [f"K{index}" for index in range(20)]
    gets: Counter[str] = Counter()
    latest: dict[str, set[str]] = {name: {"start"} for name in names}

    async def work(vault: aio.Vault, task: int) -> None:
        name, other = names[task % len(names)], names[(task + 7) % len(names)]
        assert (await vault.get(name, actor=f"t{task}")).reveal() in latest[name]
        latest[other].add(f"value {task}")
        await vault.rotate(other, f"value {task}", actor=f"t{task}")
        assert (await vault.get(other, actor=f"t{task}")).reveal() in latest[other] - {"start"}
        gets.update([name, other])

    async def main(store: Store) -> None:
        vault = aio.Vault(keyring, store)
        await asyncio.gather(*[vault.set(name, "start", actor="main") for name in names])
        await asyncio.gather(*[work(vault, task) for task in range(200)])
        listed = {each.name: each for each in await vault.list(actor="main")}
        assert {name: each.accessed_count for name, each in listed.items()} == gets
        assert [each.version for each in listed.values()] == [1 + 10] * 20
        # init, twenty sets, what the tasks did, the list.
        assert (await vault.verify_audit(actor="main")).events == 1 + 20 + 200 * 3 + 1

    with SQLiteStore(tmp_path / "vault.db") as store:
        asyncio.run(main(store))


def test_tasks_on_one_secret_take_turns(vault: aio.Vault) -> None:
    async def main() -> None:
        await vault.set("A", "start", actor="main")
        written = await asyncio.gather(*[vault.rotate("A", f"value {task}", actor="t") for task in range(30)])
        assert sorted(each.version or 0 for each in written) == list(range(2, 32))
        [last] = [task for task, each in enumerate(written) if each.version == 31]
        assert (await vault.get("A", actor="main")).reveal() == f"value {last}"
        await vault.verify_audit(actor="main")

    asyncio.run(main())


@pytest.mark.parametrize("wrap", [lambda store: store, AsyncioStore], ids=["threads", "asyncio"])
def test_two_event_loops_in_two_threads_share_one_vault(
    keyring: Keyring, store: Store, wrap: Callable[[Store], Store | AsyncStore]
) -> None:
    vault = aio.Vault(keyring, wrap(store))

    async def work(thread: int) -> None:
        async def task(number: int) -> None:
            await vault.rotate("A", f"value {thread} {number}", actor=f"t{thread}")
            assert (await vault.get("A", actor=f"t{thread}")).reveal().startswith("value ")

        await asyncio.gather(*[task(number) for number in range(10)])

    asyncio.run(vault.set("A", "start", actor="main"))
    in_threads(2, lambda thread: asyncio.run(work(thread)))
    [listed] = asyncio.run(vault.list(actor="main"))
    assert (listed.version, listed.accessed_count) == (21, 20)
    assert asyncio.run(vault.verify_audit(actor="main")).events == 1 + 1 + 40 + 1


class Noting(Faulty):
    """A store that notes the thread of each request."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, None, self._note)
        self.threads: set[int] = set()

    def _note(self, kind: str, call: Callable[[], Any]) -> Any:
        self.threads.add(threading.get_ident())
        return call()


def test_a_synchronous_store_is_called_in_worker_threads_and_the_loop_goes_on(keyring: Keyring) -> None:
    async def main() -> None:
        loop, entered, leave = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def held_up(kind: str, call: Callable[[], Any]) -> Any:
            loop.call_soon_threadsafe(entered.set)
            assert leave.wait(60), "the loop stood still"
            return call()

        vault = aio.Vault(keyring, Faulty(MemoryStore(), 1, held_up))
        setting = asyncio.ensure_future(vault.set("A", VALUE, actor="alice"))
        await entered.wait()
        leave.set()
        assert (await setting).created

    asyncio.run(main())


def test_each_callback_runs_where_it_belongs(keyring: Keyring) -> None:
    in_thread, in_loop = Noting(MemoryStore()), Noting(MemoryStore())
    in_loops(aio.Vault(keyring, in_thread)).set("A", VALUE, actor="alice")
    in_loops(aio.Vault(keyring, AsyncioStore(in_loop))).set("A", VALUE, actor="alice")
    assert in_loop.threads == {threading.get_ident()}
    assert in_thread.threads.isdisjoint(in_loop.threads)


class Mixed:
    """A coroutine function, a partial of one, a function that gives a coroutine, and one that answers at once."""

    def __init__(self, store: Store) -> None:
        inner = AsyncioStore(store)
        self.load = inner.load
        self.list = functools.partial(inner.list)
        self.commit = lambda change_set: inner.commit(change_set)
        self.events = store.events


def test_a_store_s_callbacks_may_be_of_different_kinds(keyring: Keyring, store: Store) -> None:
    vault = in_loops(aio.Vault(keyring, cast("AsyncStore", Mixed(store))))
    vault.set("A", VALUE, actor="alice")
    assert vault.get("A", actor="alice").reveal() == VALUE
    assert [each.name for each in vault.list(actor="alice")] == ["A"]
    assert vault.verify_audit(actor="alice").events == 4


def test_a_wait_is_the_loop_s_and_stops_no_thread(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(seconds: float) -> None:
        raise AssertionError("a thread was put to sleep")

    monkeypatch.setattr(time, "sleep", refused)
    left, waits, real = 5, [], asyncio.sleep

    def conflict(kind: str, call: Callable[[], Any]) -> Any:
        nonlocal left
        if kind == "commit" and left > 0:
            left -= 1
            return "conflict"
        return call()

    async def noted(seconds: float) -> None:
        waits.append(seconds)
        await real(seconds)

    store = MemoryStore()
    Vault(keyring, store).set("A", "start", actor="alice")
    monkeypatch.setattr(asyncio, "sleep", noted)
    in_loops(aio.Vault(keyring, Faulty(store, None, conflict))).set("A", VALUE, actor="alice")
    assert left == 0
    assert len(waits) == 5
    assert all(0 < seconds < 1 for seconds in waits)


# Faults.


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    real = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: real(0))


WRAPS: dict[str, Callable[[Store], Store | AsyncStore]] = {"threads": lambda store: store, "asyncio": AsyncioStore}


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.usefixtures("no_waiting")
def test_a_fault_at_any_request_leaves_all_or_nothing(name: str, fault: str, wrap: str) -> None:
    operation = OPERATIONS[name]
    for nth in range(1, requests_of(operation) + 1):
        store, known = furnished(operation)
        faulty = Faulty(store, nth, FAULTS[fault])
        error: StrongroomError | None = None
        try:
            operation.call(in_loops(aio.Vault(KEYRING, WRAPS[wrap](faulty))), known)
        except (StorageFailedError, AuditTamperedError) as caught:
            error = caught
        assert faulty.requests >= nth
        if isinstance(error, StorageFailedError) and fault.startswith("throws"):
            assert isinstance(error.__cause__, StoreFaultError)
        judge = Vault(KEYRING, store)
        judge.verify_audit(actor="judge")
        if operation.done is not None:
            assert operation.done(judge, known) == (error is None), f"request {nth}"
        if error is not None:
            operation.call(judge, known)
            judge.verify_audit(actor="judge")


CAUSES = [
    OSError("disk on fire"),
    StopIteration("x"),
    StopAsyncIteration("x"),
    asyncio.TimeoutError(),
    concurrent.futures.CancelledError(),
    RuntimeError("coroutine raised StopIteration"),
]


class Raising(Faulty):
    def __init__(self, error: BaseException) -> None:
        def fault(kind: str, call: Callable[[], Any]) -> Any:
            raise error

        super().__init__(MemoryStore(), None, fault)


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("error", CAUSES, ids=lambda error: type(error).__name__)
def test_the_store_s_own_exception_is_the_cause(keyring: Keyring, error: Exception, wrap: str) -> None:
    vault = in_loops(aio.Vault(keyring, WRAPS[wrap](Raising(error))))
    with pytest.raises(StorageFailedError, match="Failed to load secrets") as caught:
        vault.get("A", actor="alice")
    assert caught.value.operation == "get"
    cause = caught.value.__cause__
    if wrap == "asyncio" and isinstance(error, StopIteration):  # Python itself lets none out of a coroutine.
        cause = cause and cause.__cause__
    assert cause is error


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_cancellation_of_the_store_s_own_is_a_failure_of_the_store(keyring: Keyring, wrap: str) -> None:
    error = asyncio.CancelledError("an inner task of the store's")
    vault = in_loops(aio.Vault(keyring, WRAPS[wrap](Raising(error))))
    if sys.version_info < (3, 11):
        with pytest.raises(asyncio.CancelledError):
            vault.get("A", actor="alice")
        return
    with pytest.raises(StorageFailedError) as caught:
        vault.get("A", actor="alice")
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_goes_through(keyring: Keyring, interrupt: type[BaseException], wrap: str) -> None:
    vault = aio.Vault(keyring, WRAPS[wrap](Raising(interrupt())))
    with pytest.raises(interrupt):
        asyncio.run(vault.set("A", VALUE, actor="alice"))


@pytest.mark.parametrize("answer", [None, 5, object(), asyncio.sleep, "committed", [asyncio]])
def test_an_answer_of_another_kind_is_a_failure_of_the_store(keyring: Keyring, answer: object) -> None:
    vault = in_loops(aio.Vault(keyring, AsyncioStore(Faulty(MemoryStore(), None, lambda *_: answer))))
    with pytest.raises(StorageFailedError):
        vault.get("A", actor="alice")


def test_a_coroutine_that_gives_a_coroutine_is_awaited_to_the_end(keyring: Keyring, store: Store) -> None:
    inner = AsyncioStore(store)

    class Nested(AsyncioStore):
        async def load(self, keys: Any, /) -> Any:
            return inner.load(keys)

    vault = in_loops(aio.Vault(keyring, Nested(store)))
    vault.set("A", VALUE, actor="alice")
    assert vault.get("A", actor="alice").reveal() == VALUE


# A synchronous vault over an asynchronous store.


def test_a_synchronous_vault_refuses_a_store_whose_callbacks_are_to_be_awaited(keyring: Keyring, store: Store) -> None:
    with pytest.raises(InvalidArgumentError, match=r"use the Vault of strongroom\.aio"):
        Vault(keyring, AsyncioStore(store))  # type: ignore[arg-type]


def test_a_synchronous_vault_refuses_what_is_to_be_awaited_and_leaves_no_coroutine(
    keyring: Keyring, store: Store
) -> None:
    inner, given = AsyncioStore(store), []

    class Disguised(Faulty):
        def load(self, keys: Any, /) -> Any:
            given.append(inner.load(keys))
            return given[-1]

    vault = Vault(keyring, Disguised(store, None, test_faults.healthy))
    with pytest.raises(InvalidArgumentError, match=r"use the Vault of strongroom\.aio") as caught:
        vault.get("A", actor="alice")
    assert caught.value.operation == "get"
    assert [inspect.getcoroutinestate(each) for each in given] == [inspect.CORO_CLOSED]


# Secrets.


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("kind", [None, "load", "list", "commit", "events"])
@pytest.mark.usefixtures("no_waiting")
def test_no_operation_tells_a_value(kind: str | None, wrap: str) -> None:
    store, keyring = MemoryStore(), Keyring.generate()
    Vault(keyring, store).set("SEED", "a value that is no canary", actor="alice")
    session = Session(in_loops(aio.Vault(keyring, WRAPS[wrap](Failing(store, kind)))))
    session.everything()
    assert session.leaks() == []
    assert session.failed >= 5
    assert session.frames >= 3 * session.failed


def test_a_value_that_cannot_be_taken_is_refused_without_being_shown(keyring: Keyring) -> None:
    for vault in (Vault(keyring, MemoryStore()), in_loops(aio.Vault(keyring, MemoryStore()))):
        calls: list[Callable[[], Any]] = [
            lambda vault=vault: vault.set("A", VALUE + "\udcff", actor="alice"),  # type: ignore[misc]
            lambda vault=vault: vault.rotate("A", VALUE + "\udcff", actor="alice"),  # type: ignore[misc]
            lambda vault=vault: vault.propose("set", "A", VALUE + "\udcff", actor="alice"),  # type: ignore[misc]
            lambda vault=vault: vault.command(VALUE + "\udcff", actor="alice"),  # type: ignore[misc]
        ]
        for call in calls:
            with pytest.raises(InvalidArgumentError, match="surrogate") as caught:
                call()
            assert of_package(caught.value.__traceback__) >= 3
            assert VALUE not in told_by(caught.value)


def test_the_caller_s_own_secret_is_left_as_it_was_and_may_be_wiped_meanwhile(keyring: Keyring) -> None:
    secret = Secret(VALUE)

    def wipe(kind: str, call: Callable[[], Any]) -> Any:
        secret.wipe()
        return call()

    store = MemoryStore()
    in_loops(aio.Vault(keyring, store)).set("A", secret, actor="alice")
    assert secret.reveal() == VALUE
    vault = in_loops(aio.Vault(keyring, AsyncioStore(Faulty(store, 1, wipe))))
    vault.set("B", secret, actor="alice")
    assert vault.get("B", actor="alice").reveal() == VALUE
    with pytest.raises(InvalidArgumentError, match="wiped"):
        vault.set("C", secret, actor="alice")
    with pytest.raises(SecretNotFoundError):
        vault.get("C", actor="alice")
