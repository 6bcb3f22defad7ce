"""The run loop: a session asks, the store answers, until the session is done.

It is written once, as a generator that yields what is to be called and is sent what came of it; how a call is made is
the runner's business, which is what tells a synchronous host from an asynchronous one.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from strongroom._error import of_code, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from strongroom import _native
    from strongroom.stores import Store

    Steps = Generator[Callable[[], Any], Any, "Outcome"]


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


def drive(session: _native.Session, store: Store, operation: str) -> Steps:
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
            number, request = step["ask"]["number"], step["ask"]["request"]
            call, answer = _asked(request, store)
            try:
                # Yielded here, not by a generator within: it would turn a store's StopIteration into another error.
                reply = _reply(number, answer((yield call)))
            except Exception as error:
                cause = error
                reply = _reply(number, {"failed": {"applied": "unknown"}})
    finally:
        session.close()


def _asked(request: Any, store: Store) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """What is to be called for a request, and how what comes of it is told."""
    [(kind, asked)] = request.items()
    if kind == "load":
        return lambda: store.load(asked["keys"]), lambda records: {"load": {"records": records}}
    if kind == "list":
        return lambda: store.list(asked["query"], asked["cursor"]), lambda page: {"list": page}
    if kind == "events":
        return lambda: store.events(asked["query"], asked["cursor"]), lambda page: {"events": page}
    if kind == "commit":
        return lambda: store.commit(asked["change_set"]), _committed
    return Wait(asked["millis"] / 1000), lambda _: {"wait": {}}


def _committed(answer: Any) -> Any:
    return {"failed": {"applied": "no"}} if answer == "failed" else {"commit": answer}


def _reply(number: int, answer: Any) -> str:
    """A reply as JSON. Raises for what is no JSON or no Unicode: a failure of the store that gave it."""
    text = json.dumps({"number": number, "answer": answer}, allow_nan=False, ensure_ascii=False)
    text.encode()
    return text


def run(steps: Steps) -> Outcome:
    """Runs the loop in this thread."""
    resume: Callable[[], Callable[[], Any]] = partial(next, steps)
    try:
        while True:
            try:
                call = resume()
            except StopIteration as end:
                outcome: Outcome = end.value
                return outcome
            try:
                resume = partial(steps.send, call())
            except Exception as error:
                resume = partial(steps.throw, error)
    finally:
        # What is no `Exception`, such as KeyboardInterrupt, is not for the operation: it ends where it is.
        steps.close()
