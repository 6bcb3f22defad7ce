"""The run loop: a session asks, the store answers, until the session is done.

It is written once, as a generator that yields what is to be called and is sent what came of it; how a call is made is
the runner's business, which is what tells a synchronous host (`run`) from an asynchronous one (`aio.run`).
"""

from __future__ import annotations

import inspect
import json
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from strongroom._error import StrongroomError, of_code, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from strongroom import _native
    from strongroom.stores import AsyncStore, Store

    Steps = Generator["partial[Any] | Wait", Any, "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What an operation came to: what is told of it, and the value if it gave one."""

    told: Any
    secret: _native.Secret | None


@dataclass(frozen=True)
class Wait:
    """To be waited for; called, it waits in this thread."""

    seconds: float

    def __call__(self) -> None:
        time.sleep(self.seconds)


@dataclass(frozen=True)
class Raised:
    """Sent for an answer: what the store raised instead of giving one."""

    error: BaseException


def drive(session: _native.Session, store: Store | AsyncStore, operation: str) -> Steps:
    """Drives a session to its end and closes it, however it ends."""
    reply: str | None = None
    cause: BaseException | None = None
    try:
        while True:
            with translated(operation):
                step = json.loads(session.step(time.time() * 1000, reply))
            if "done" in step:
                return Outcome(step["done"], session.take_secret())
            if "failed" in step:
                code, message = step["failed"]["code"], step["failed"]["message"]
                raise of_code(code, message, operation) from (cause if code == "STORAGE_FAILED" else None)
            number, [(kind, asked)] = step["ask"]["number"], step["ask"]["request"].items()
            answer = yield _called(kind, asked, store)
            if not isinstance(answer, Raised):
                try:
                    reply = _reply(number, _answered(kind, answer))
                    continue
                except Exception as error:
                    answer = Raised(error)
            cause = answer.error
            reply = _reply(number, {"failed": {"applied": "unknown"}})
    finally:
        session.close()


def _called(kind: str, asked: Any, store: Store | AsyncStore) -> partial[Any] | Wait:
    """What is to be called for a request."""
    if kind == "load":
        return partial(store.load, asked["keys"])
    if kind == "list":
        return partial(store.list, asked["query"], asked["cursor"])
    if kind == "events":
        return partial(store.events, asked["query"], asked["cursor"])
    if kind == "commit":
        return partial(store.commit, asked["change_set"])
    return Wait(asked["millis"] / 1000)


def _answered(kind: str, answer: Any) -> Any:
    """How what came of a call is told."""
    if kind == "load":
        return {"load": {"records": answer}}
    if kind == "commit" and answer == "failed":
        return {"failed": {"applied": "no"}}
    return {kind: {} if kind == "wait" else answer}


def _reply(number: int, answer: Any) -> str:
    """A reply as JSON. Raises for what is no JSON or no Unicode: a failure of the store that gave it."""
    text = json.dumps({"number": number, "answer": answer}, allow_nan=False, ensure_ascii=False)
    text.encode()
    return text


def attempt(call: Callable[[], Any]) -> Any:
    """What a call gave or `Raised`. What is no `Exception`, such as KeyboardInterrupt, is not for the operation."""
    try:
        return call()
    except Exception as error:
        return Raised(error)


def run(steps: Steps, operation: str) -> Outcome:
    """Runs the loop in this thread."""
    try:
        call = next(steps)
        while True:
            answer = attempt(call)
            if inspect.isawaitable(answer):
                discard(answer)
                raise asynchronous(operation)
            call = steps.send(answer)
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome
    finally:
        steps.close()


def asynchronous(operation: str | None = None) -> StrongroomError:
    """What a synchronous vault says to a store whose callbacks are to be awaited."""
    message = "the store is asynchronous: use the Vault of strongroom.aio, or give a store that answers at once"
    return of_code("INVALID_ARGUMENT", message, operation)


def discard(awaitable: Any) -> None:
    """Gives up what nobody will await; Python would warn of a coroutine that was merely dropped."""
    if inspect.iscoroutine(awaitable):
        awaitable.close()
