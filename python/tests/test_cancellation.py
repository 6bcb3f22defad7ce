"""Cancellation in the middle of any await of any operation: it ends there and then, nothing is half-done, and nothing
that it held is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from asynchronous import AsyncioStore
from leakscan import make_canary
from strongroom import Keyring, Secret, StrongroomError, Vault, _native, aio
from strongroom.errors import InvalidArgumentError, SecretNotFoundError, StorageFailedError
from strongroom.stores import AsyncStore, MemoryStore, SQLiteStore, Store
from test_faults import KEYRING, ONE, OPERATIONS, TWO, Faulty, Operation, furnished, value_of
from test_leaks import of_package, told_by

VALUE = "sk_test_0123456789_the_rest_is_secret"


class Watched:
    """A vault's native part that keeps its sessions in view."""

    def __init__(self, vault: aio.Vault) -> None:
        self._handle, self.sessions = vault._handle, list[_native.Session]()
        vault._handle = cast("_native.Vault", self)

    def begin(self, operation: str, value: _native.Secret | None) -> _native.Session:
        self.sessions.append(self._handle.begin(operation, value))
        return self.sessions[-1]

    def all_ended(self) -> bool:
        return all(map(has_ended, self.sessions))


def has_ended(session: _native.Session) -> bool:
    try:
        session.step(0, None)
    except _native.NativeError as error:
        return error.args[0] == "FLOW_DONE"
    return False


class Counted(Faulty):
    """A store that counts the commits that it applied, and the moments at which a task can be cancelled.

    Each request has two: before it is done, and after.
    """

    def __init__(self, store: Store, cancel: Callable[[], object], nth: int) -> None:
        super().__init__(store, None, self._cancelling)
        self._cancel, self._left, self.moments, self.applied = cancel, nth, 0, 0

    def _cancelling(self, kind: str, call: Callable[[], Any]) -> Any:
        self._moment()
        answer = call()
        self.applied += answer == "committed"
        self._moment()
        return answer

    def _moment(self) -> None:
        self.moments += 1
        if self.moments == self._left:
            self._cancel()


def cancelling(store: Store, wrap: str, nth: int) -> tuple[Store | AsyncStore, Counted]:
    """A store that cancels the task that uses it, at a moment."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    if wrap == "threads":
        counted = Counted(store, lambda: loop.call_soon_threadsafe(task.cancel), nth)
        return counted, counted
    # Cancelled before the callback suspends, it is there that the cancellation comes out.
    counted = Counted(store, lambda: None, 0)
    moments = 0

    async def suspend(kind: str, when: str) -> None:
        nonlocal moments
        moments += 1
        if moments == nth:
            task.cancel()
        await asyncio.sleep(0)

    return AsyncioStore(counted, suspend), counted


def moments_of(operation: Operation) -> int:
    store, known = furnished(operation)
    counted = Counted(store, lambda: None, 0)
    operation.call(Vault(KEYRING, counted), known)
    return counted.moments


@pytest.mark.parametrize("wrap", ["threads", "asyncio"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_cancellation_at_any_await_leaves_all_or_nothing(name: str, wrap: str) -> None:
    operation = OPERATIONS[name]
    moments = moments_of(operation)
    assert moments >= 2

    async def cancelled(store: Store, known: dict[str, str], nth: int) -> tuple[Counted, Watched, BaseException]:
        wrapped, counted = cancelling(store, wrap, nth)
        vault = aio.Vault(KEYRING, wrapped)
        watched = Watched(vault)
        with pytest.raises(asyncio.CancelledError) as caught:
            await cast("Awaitable[object]", operation.call(cast("Vault", vault), known))
        assert watched.all_ended(), f"moment {nth}"
        return counted, watched, caught.value

    for nth in range(1, moments + 1):
        store, known = furnished(operation)
        # The loop's end waits for its worker threads: a commit that one of them was running has happened or has not.
        counted, watched, error = asyncio.run(cancelled(store, known, nth))
        assert len(watched.sessions) == 1
        assert TWO not in told_by(error)

        judge = Vault(KEYRING, store)
        judge.verify_audit(actor="judge")
        assert counted.applied <= 1
        if operation.done is not None:
            assert operation.done(judge, known) == (counted.applied == 1), f"moment {nth}"
        assert value_of(judge) in ({ONE, TWO} if name != "delete" else {ONE, None})
        # Made again, it works; what was taken away is not there to be taken away again.
        again = asyncio.run(made_again(operation, store, known))
        gone = {"delete": SecretNotFoundError, "revoke": InvalidArgumentError}.get(name)
        assert again is None or (counted.applied == 1 and gone is not None and isinstance(again, gone))
        assert operation.done is None or operation.done(judge, known)
        judge.verify_audit(actor="judge")


async def made_again(operation: Operation, store: Store, known: dict[str, str]) -> StrongroomError | None:
    try:
        await operation.call(cast("Vault", aio.Vault(KEYRING, store)), known)
    except StrongroomError as error:
        return error
    return None


@pytest.mark.parametrize("wrap", ["threads", "asyncio"])
def test_a_cancellation_while_a_store_is_initialised_leaves_one_vault(wrap: str) -> None:
    async def cancelled(store: Store, nth: int) -> bool:
        wrapped, _ = cancelling(store, wrap, nth)
        try:
            await aio.Vault(KEYRING, wrapped).set("A", ONE, actor="alice")
        except asyncio.CancelledError:
            return True
        return False

    nth, store = 1, MemoryStore()
    while asyncio.run(cancelled(store, nth)):
        Vault(KEYRING, store).set("A", TWO, actor="alice")
        judge = Vault(KEYRING, store)
        assert judge.get("A", actor="judge").reveal() == TWO
        judge.verify_audit(actor="judge")
        nth, store = nth + 1, MemoryStore()
    assert nth > 6


def test_a_cancellation_while_an_operation_backs_off_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = furnished()
    real, waits = asyncio.sleep, 0

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None

        async def cancelled(seconds: float) -> None:
            nonlocal waits
            waits += 1
            task.cancel()
            await real(seconds)

        monkeypatch.setattr(asyncio, "sleep", cancelled)
        conflicting = Faulty(store, None, lambda kind, call: "conflict" if kind == "commit" else call())
        vault = aio.Vault(KEYRING, conflicting)
        watched = Watched(vault)
        with pytest.raises(asyncio.CancelledError):
            await vault.rotate("A", TWO, actor="alice")
        assert watched.all_ended()

    asyncio.run(main())
    assert waits == 1
    assert value_of(Vault(KEYRING, store)) == ONE
    Vault(KEYRING, store).verify_audit(actor="judge")


def test_a_cancellation_does_not_wait_for_the_thread_that_commits(keyring: Keyring, tmp_path: Path) -> None:
    async def main(store: Store) -> None:
        loop, entered, leave = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def held_up(kind: str, call: Callable[[], Any]) -> Any:
            if kind == "commit":
                loop.call_soon_threadsafe(entered.set)
                assert leave.wait(60), "the cancellation waited"
            return call()

        vault = aio.Vault(keyring, Faulty(store, None, held_up))
        watched = Watched(vault)
        task = asyncio.ensure_future(vault.rotate("A", "new", actor="alice"))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert watched.all_ended()
        leave.set()

    with SQLiteStore(tmp_path / "vault.db") as store:
        judge = Vault(keyring, store)
        judge.set("A", "old", actor="alice")
        asyncio.run(main(store))
        # It went on in its thread, which the loop's end waited for.
        assert judge.get("A", actor="judge").reveal() == "new"
        judge.verify_audit(actor="judge")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_coroutine_that_a_thread_gives_to_a_cancelled_task_is_closed(keyring: Keyring, when: str) -> None:
    """A callback that is no coroutine function and gives a coroutine, cancelled before or after it gives one."""

    async def main() -> None:
        loop, given, cancelled = asyncio.get_running_loop(), [], threading.Event()
        task = cast("asyncio.Task[None]", asyncio.current_task())
        inner, worker = AsyncioStore(MemoryStore()), ThreadPoolExecutor(1)
        loop.set_default_executor(worker)

        def cancel() -> None:
            if when == "after":
                # The one worker is through with the callback; that the loop has yet to learn.
                worker.submit(lambda: None).result()
            task.cancel()

        class Disguised(AsyncioStore):
            def load(self, keys: Any, /) -> Any:
                loop.call_soon_threadsafe(cancel)
                assert when == "after" or cancelled.wait(60)
                given.append(inner.load(keys))
                return given[-1]

        with pytest.raises(asyncio.CancelledError):
            await aio.Vault(keyring, Disguised(MemoryStore())).get("A", actor="alice")
        cancelled.set()
        worker.shutdown()
        assert [inspect.getcoroutinestate(each) for each in given] == [inspect.CORO_CLOSED]

    asyncio.run(main())


async def forever(kind: str, when: str) -> None:
    await asyncio.Event().wait()


def test_a_wait_for_a_time_ends_an_operation_that_takes_longer(keyring: Keyring) -> None:
    vault = aio.Vault(keyring, AsyncioStore(MemoryStore(), forever))
    watched = Watched(vault)
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(asyncio.wait_for(vault.set("A", VALUE, actor="alice"), 0.01))
    assert [has_ended(each) for each in watched.sessions] == [True]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout and TaskGroup are of Python 3.11")
def test_a_timeout_and_a_sibling_that_fails_end_an_operation(keyring: Keyring) -> None:
    if sys.version_info < (3, 11):
        return
    vault = aio.Vault(keyring, AsyncioStore(MemoryStore(), forever))
    watched = Watched(vault)

    async def timed_out() -> None:
        async with asyncio.timeout(0.01):
            await vault.set("A", VALUE, actor="alice")

    async def fails() -> None:
        await asyncio.sleep(0)
        raise OSError("the sibling")

    async def in_group() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(vault.set("A", VALUE, actor="alice"))
            group.create_task(fails())

    with pytest.raises(TimeoutError):
        asyncio.run(timed_out())
    with pytest.raises(Exception, match="unhandled errors in a TaskGroup") as caught:
        asyncio.run(in_group())
    assert [str(each) for each in cast("Any", caught.value).exceptions] == ["the sibling"]
    assert [has_ended(each) for each in watched.sessions] == [True, True]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 does not tell who cancelled")
def test_a_group_does_not_take_a_store_s_own_cancellation_for_an_end_without_error(keyring: Keyring) -> None:
    if sys.version_info < (3, 11):
        return

    async def cancelled(kind: str, when: str) -> None:
        inner = asyncio.ensure_future(asyncio.Event().wait())
        inner.cancel()
        await inner

    async def in_group() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(aio.Vault(keyring, AsyncioStore(MemoryStore(), cancelled)).set("A", VALUE, actor="a"))

    with pytest.raises(Exception, match="unhandled errors in a TaskGroup") as caught:
        asyncio.run(in_group())
    assert [type(each) for each in cast("Any", caught.value).exceptions] == [StorageFailedError]


def frames_of_package(error: BaseException | None) -> int:
    """Also of what it was raised over: Python 3.10 gives who awaits a cancelled task an error of its own."""
    return 0 if error is None else of_package(error.__traceback__) + frames_of_package(error.__context__)


def secrets_that_reveal(value: str) -> int:
    """How many live secrets hold a value, whoever holds them."""
    gc.collect()
    found = 0
    for each in gc.get_objects():
        if isinstance(each, Secret):
            with contextlib.suppress(StrongroomError, AttributeError):
                found += each.reveal() == value
    return found


@pytest.mark.parametrize("method", ["set", "rotate"])
def test_what_a_cancelled_operation_held_is_wiped_although_its_frames_live_on(keyring: Keyring, method: str) -> None:
    value = make_canary()
    assert secrets_that_reveal(value) == 0
    planted = Secret(value)
    assert secrets_that_reveal(value) == 1
    planted.wipe()

    async def main() -> BaseException:
        vault = aio.Vault(keyring, AsyncioStore(MemoryStore(), forever))
        watched = Watched(vault)
        task = asyncio.ensure_future(getattr(vault, method)("A", value, actor="alice"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert [has_ended(each) for each in watched.sessions] == [True]
        return caught.value

    error = asyncio.run(main())
    assert frames_of_package(error) >= 3
    assert secrets_that_reveal(value) == 0


def test_a_coroutine_that_is_closed_ends_its_operation(keyring: Keyring) -> None:
    async def main() -> None:
        vault = aio.Vault(keyring, AsyncioStore(MemoryStore(), forever))
        watched = Watched(vault)
        steps = vault.set("A", VALUE, actor="alice")
        steps.send(None)
        steps.close()
        assert [has_ended(each) for each in watched.sessions] == [True]

    asyncio.run(main())


@pytest.mark.parametrize("text", ["", "\udcff"], ids=["a text", "no Unicode"])
def test_a_task_that_is_cancelled_before_it_begins_shows_no_value(keyring: Keyring, text: str) -> None:
    vault = aio.Vault(keyring, MemoryStore())
    value = VALUE + text

    async def cancelled(call: Callable[[], Any]) -> BaseException:
        task = asyncio.ensure_future(call())
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return caught.value

    calls: list[Callable[[], Any]] = [
        lambda: vault.set("A", value, actor="alice"),
        lambda: vault.rotate("A", value.encode(errors="surrogateescape"), actor="alice"),
        lambda: vault.propose("set", "A", value, actor="alice"),
        lambda: vault.command(f"secret set A {value}", actor="alice"),
    ]
    for call in calls:
        error = asyncio.run(cancelled(call))
        assert frames_of_package(error) >= 1
        assert VALUE not in told_by(error)
