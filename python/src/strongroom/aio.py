"""The vault for asyncio, over synchronous and asynchronous stores.

Cancelled, an operation ends at once: what it held is wiped, and the store is as it was before or as it is after. A
commit that a worker thread is running already goes on there to its own end.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from strongroom import _operations as operations
from strongroom._driver import Outcome, Raised, Wait, attempt, discard
from strongroom._operations import Given

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from functools import partial

    from strongroom._driver import Steps
    from strongroom._keyring import Keyring
    from strongroom._operations import (
        Actor,
        Adopted,
        AuditEvent,
        AuditReport,
        Census,
        Change,
        CommandReply,
        Confirmed,
        Listed,
        Operation,
        Proposed,
        Written,
    )
    from strongroom._secret import Secret
    from strongroom.stores import AsyncStore, Store

__all__ = ["Vault"]

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Coroutine[Any, Any, Any]]")


def _coroutine_function(method: F) -> F:
    """Marks a method that returns a coroutine as what it is.

    Those that take a value are no `async def`: the frame of a coroutine that has not begun would hold it as text.
    """
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(method)
    method._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
    return method


class Vault:
    """A vault over a store, its methods coroutines. It keeps no state of the store and caches no value.

    The store's callbacks may be asynchronous, and are awaited in the event loop, or synchronous, and run in the loop's
    worker threads, several at once: the store must be safe to share between threads, as those of this package are. One
    vault serves any number of tasks and event loops.

    What methods raise is what those of `strongroom.Vault` raise. A store that raises `asyncio.CancelledError` although
    nobody cancelled the task has failed; Python 3.10 cannot tell the difference, and takes it for a cancellation.

    >>> from strongroom.stores import MemoryStore
    >>> from strongroom import Keyring
    >>> async def main() -> str:
    ...     vault = Vault(Keyring.generate(), MemoryStore())
    ...     await vault.set("STRIPE_API_KEY", "sk_test_abc123", actor="alice")
    ...     return (await vault.get("STRIPE_API_KEY", actor="alice")).reveal()
    >>> asyncio.run(main())
    'sk_test_abc123'
    """

    __slots__ = ("_handle", "_store")

    def __init__(
        self,
        keyring: Keyring,
        store: Store | AsyncStore,
        *,
        confirm: Sequence[Change] = (),
        actors: Sequence[str] | None = None,
        vault_id: str | None = None,
        value_max: int | None = None,
        proposal_millis: int | None = None,
    ) -> None:
        """Opens a vault; nothing is asked of the store yet.

        `confirm`: the changes that chat commands propose first. `actors`: the ids of those who may use the vault;
        everybody who can call it when `None`. `vault_id`: the vault that the store must hold, 32 hex digits; pinning it
        keeps a stripped store from being taken for a new one. `value_max`: the longest value in bytes, 65536 when
        `None`. `proposal_millis`: how long a proposal waits, 300000 (5 minutes) when `None`. Raises
        `InvalidArgumentError`.
        """
        self._handle = operations.open_vault(
            keyring,
            store,
            confirm=confirm,
            actors=actors,
            vault_id=vault_id,
            value_max=value_max,
            proposal_millis=proposal_millis,
        )
        self._store = store

    @_coroutine_function
    def set(
        self, name: str, value: str | bytes | Secret, *, actor: str | Actor, namespace: str | None = None
    ) -> Coroutine[Any, Any, Written]:
        """Gives a secret a value, whether it is new or not. Raises `ValueInvalidError`."""
        return self._run(operations.set_(name, Given(value), actor, namespace))

    async def get(self, name: str, *, actor: str | Actor, namespace: str | None = None) -> Secret:
        """Reads a secret's value. Raises `SecretNotFoundError`, `SecretDisabledError`, `NotAuthenticError`."""
        return await self._run(operations.get(name, actor, namespace))

    async def exists(self, name: str, *, actor: str | Actor, namespace: str | None = None) -> bool:
        """Whether there is a secret of that name. Recorded only when refused."""
        return await self._run(operations.exists(name, actor, namespace))

    async def list(self, *, actor: str | Actor, namespace: str | None = None) -> list[Listed]:
        """What secrets there are, in one namespace or in all, without a value of any."""
        return await self._run(operations.list_(actor, namespace))

    @_coroutine_function
    def rotate(
        self, name: str, value: str | bytes | Secret, *, actor: str | Actor, namespace: str | None = None
    ) -> Coroutine[Any, Any, Written]:
        """Gives an existing secret a new value. Raises `SecretNotFoundError`, `ValueInvalidError`."""
        return self._run(operations.rotate(name, Given(value), actor, namespace))

    async def delete(self, name: str, *, actor: str | Actor, namespace: str | None = None) -> Written:
        """Deletes a secret; its history stays under the name. Raises `SecretNotFoundError`."""
        return await self._run(operations.delete(name, actor, namespace))

    async def audit(
        self, name: str | None = None, *, actor: str | Actor, namespace: str | None = None, limit: int | None = None
    ) -> Sequence[AuditEvent]:
        """The latest events of one secret or of the whole vault, latest first; `limit` is 1 to 1000, 20 when `None`.

        Raises `AuditTamperedError`.
        """
        return await self._run(operations.audit(name, actor, namespace, limit))

    async def verify_audit(self, *, actor: str | Actor) -> AuditReport:
        """Verifies the whole history. Raises `AuditTamperedError`, naming the first bad event and what is wrong."""
        return await self._run(operations.verify_audit(actor))

    @_coroutine_function
    def propose(
        self,
        change: Change,
        name: str,
        value: str | bytes | Secret | None = None,
        *,
        actor: str | Actor,
        namespace: str | None = None,
    ) -> Coroutine[Any, Any, Proposed]:
        """Proposes a change for the actor to confirm; a deletion takes no value."""
        given = None if value is None else Given(value)
        return self._run(operations.propose(change, name, given, actor, namespace))

    async def confirm(self, id: str, *, actor: str | Actor) -> Confirmed:  # noqa: A002
        """Confirms a proposal; confirmed again, it tells its first outcome.

        Raises `ConfirmationNotFoundError`, `ConfirmationExpiredError`, `ConfirmationMismatchError`,
        `ChangedSinceProposedError`.
        """
        return await self._run(operations.confirm(id, actor))

    async def cancel(self, id: str, *, actor: str | Actor) -> None:  # noqa: A002
        """Withdraws a proposal. Raises `ConfirmationNotFoundError`, `ConfirmationMismatchError`."""
        await self._run(operations.cancel(id, actor))

    async def census(self, *, actor: str | Actor) -> Census:
        """Counts the stored values by key and by format: what a change of keys has left to do."""
        return await self._run(operations.census(actor))

    async def adopt(self, *, actor: str | Actor) -> Adopted:
        """Adopts rows that another program wrote into the store after its adoption; until then they are refused."""
        return await self._run(operations.adopt(actor))

    @_coroutine_function
    def command(self, text: str, *, actor: str | Actor) -> Coroutine[Any, Any, CommandReply]:
        """Runs a chat command such as `secret get NAME` and answers in words, values masked.

        Raises only what the sender can do nothing about, such as `StorageFailedError`; refusals are answered in words,
        with their `code`.
        """
        return self._run(operations.command(Given(text), actor))

    async def _run(self, operation: Operation[T]) -> T:
        return operation.result(await run(operation.begin(self._handle, self._store)))


async def run(steps: Steps) -> Outcome:
    """Runs the loop in this task."""
    try:
        call = next(steps)
        while True:
            call = steps.send(await _attempt(call))
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome
    finally:
        # A cancellation is not for the operation: it ends where it is.
        steps.close()


async def _attempt(call: partial[Any] | Wait) -> Any:
    """What a call gave or `Raised`: an asynchronous one in the loop, any other in a worker thread."""
    try:
        if isinstance(call, Wait):
            return await asyncio.sleep(call.seconds)
        answer = call() if inspect.iscoroutinefunction(call.func) else await _in_thread(call)
        while inspect.isawaitable(answer):
            answer = await answer
        return answer
    except Exception as error:
        return Raised(error)
    except asyncio.CancelledError as error:
        if _is_being_cancelled():
            raise
        return Raised(error)


async def _in_thread(call: Callable[[], Any]) -> Any:
    """What a call gave in a worker thread. Cancelled, it gives up what the call may yet give to be awaited."""
    answers: list[Any] = []
    is_given_up = False

    def work() -> None:
        # Not left to the thread's future, which takes a StopIteration for an end of its own.
        answers.append(attempt(call))
        if is_given_up:
            discard(answers[0])

    try:
        await asyncio.to_thread(work)
    except asyncio.CancelledError:
        is_given_up = True
        for answer in answers:
            discard(answer)
        raise
    return answers[0]


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or sys.version_info < (3, 11) or task.cancelling() > 0
