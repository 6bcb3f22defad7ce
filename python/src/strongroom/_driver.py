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
            try:
                answer = yield from _answered(request, store)
                reply = json.dumps({"number": number, "answer": answer})
            except Exception as error:
                cause = error
                reply = json.dumps({"number": number, "answer": {"failed": {"applied": "unknown"}}})
    finally:
        session.close()


def _answered(request: Any, store: Store) -> Generator[Callable[[], Any], Any, Any]:
    [(kind, asked)] = request.items()
    if kind == "load":
        return {"load": {"records": (yield lambda: store.load(asked["keys"]))}}
    if kind == "list":
        return {"list": (yield lambda: store.list(asked["query"], asked["cursor"]))}
    if kind == "events":
        return {"events": (yield lambda: store.events(asked["query"], asked["cursor"]))}
    if kind == "commit":
        answer = yield lambda: store.commit(asked["change_set"])
        return {"failed": {"applied": "no"}} if answer == "failed" else {"commit": answer}
    yield Wait(asked["millis"] / 1000)
    return {"wait": {}}


def run(steps: Steps) -> Outcome:
    """Runs the loop in this thread."""
    call = next(steps)
    while True:
        try:
            result = call()
        except Exception as error:
            resume = partial(steps.throw, error)
        else:
            resume = partial(steps.send, result)
        try:
            call = resume()
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
