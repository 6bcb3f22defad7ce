"""The run loop: a session asks, the host answers, until the session is done.

It is written once, as a generator that yields what is to be called and is sent what came of it; how a call is made is
the runner's business, which is what tells a synchronous host (`run`) from an asynchronous one (`aio.run`).
"""

from __future__ import annotations

import inspect
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from strongroom._access import finding
from strongroom._error import NothingAppliedError, StrongroomError, of_code, translated
from strongroom._host import Rotation
from strongroom._results import AuditEvent, told
from strongroom._secret import Secret
from strongroom.stores._answering import answering

if TYPE_CHECKING:
    from collections.abc import Generator

    from strongroom import _native
    from strongroom._host import AsyncRotator, Host, Rotator
    from strongroom.stores import AsyncStore, Store

    Steps = Generator["Call | Wait", Any, "Outcome"]
    Answering = Generator["Call | Wait", Any, Any]


_LOG = logging.getLogger("strongroom")


@dataclass(frozen=True)
class Outcome:
    """What an operation came to: what is told of it, and the values that it gave, in the order it tells of them."""

    told: Any
    secrets: list[_native.Secret]

    @property
    def secret(self) -> _native.Secret | None:
        """The value of an operation that gives one."""
        return self.secrets[0] if self.secrets else None


@dataclass(frozen=True)
class Call:
    """To be called. What comes of it, awaited where it must be, is taken in before anything else sees it."""

    function: partial[Any]
    takes: Callable[[Any], Any] = lambda answer: answer
    what: str = "store"
    """Of which it is a callback."""


@dataclass(frozen=True)
class Wait:
    """To be waited for; called, it waits in this thread."""

    seconds: float

    def __call__(self) -> None:
        time.sleep(self.seconds)


@dataclass(frozen=True)
class Raised:
    """Sent for an answer: what the host raised instead of giving one."""

    error: BaseException


def drive(session: _native.Session, host: Host, operation: str) -> Steps:
    """Drives a session to its end and closes it, however it ends."""
    reply: str | None = None
    # What the host raised last, by the error that it is the cause of: a file's is none of a failing store.
    causes: dict[str, BaseException] = {}
    try:
        while True:
            with translated(operation):
                text, content = yield from _stepped(session, reply)
            step = json.loads(text)
            for event in step.get("committed", ()):
                yield from _tell(told(AuditEvent, event), host.on_event, "on_event")
            for found in step.get("findings", ()):
                yield from _tell(finding(found), host.on_finding, "on_finding")
            if "done" in step:
                return Outcome(step["done"], list(iter(session.take_secret, None)))
            if "failed" in step:
                code, message = step["failed"]["code"], step["failed"]["message"]
                raise of_code(code, message, operation) from causes.get(code)
            number, kind = step["ask"]["number"], step["ask"]["kind"]
            answer = yield from _answer(kind, content, session, host, causes)
            if not isinstance(answer, Raised):
                try:
                    reply = _reply(number, answer)
                    continue
                except Exception as error:
                    answer = Raised(error)
            cause, applied = answer.error, "unknown"
            if isinstance(cause, NothingAppliedError):
                cause, applied = cause.__cause__ or cause, "no"
            causes["ROTATION_FAILED" if kind == "rotate" else "STORAGE_FAILED"] = cause
            reply = _reply(number, {"failed": {"applied": applied}})
    finally:
        session.close()


def _stepped(session: _native.Session, reply: str | None) -> Answering:
    """What a session says next. What takes it long is called as a store is, in a thread where there are tasks."""
    step = partial(session.step, time.time() * 1000, reply)
    if not session.is_long():
        return step()
    answer = yield Call(step, what="native part")
    if isinstance(answer, Raised):
        raise answer.error
    return answer


def _tell(what: Any, hook: Callable[[Any], Any] | None, name: str) -> Answering:
    """Tells of an event, or a finding. What was done is done: a hook that raises is logged, and fails nothing."""
    if hook is None:
        return
    answer = yield Call(partial(hook, what), what=f"`{name}`")
    if isinstance(answer, Raised):
        _LOG.error("%s raised", name, exc_info=answer.error)


def _answer(
    kind: str, content: str, session: _native.Session, host: Host, causes: dict[str, BaseException]
) -> Answering:
    """The answer to a request, as JSON or as what becomes JSON, or `Raised`."""
    in_json = answering(host.store, kind)
    if in_json is not None:
        return (yield Call(partial(in_json, kind, content)))
    asked = json.loads(content)
    if kind == "read_env":
        if host.read_env is None:
            return _UNSUPPORTED
        # In memory, and many at once: not worth a thread for each.
        calls = [Call(partial(host.read_env, name), partial(_offer, session)) for name in asked["names"]]
        return _found([_at_once(call) for call in calls], causes)
    if kind == "read_file":
        if host.read_file is None:
            return _UNSUPPORTED
        found = []
        for path in asked["paths"]:
            found.append((yield Call(partial(host.read_file, path), partial(_offer, session), "`read_file`")))
        return _found(found, causes)
    if kind == "rotate":
        return _UNSUPPORTED if host.rotator is None else (yield from _rotated(asked, session, host.rotator))
    if kind == "target":
        if host.target is None:
            return _UNSUPPORTED
        [(kind, asked)] = asked["request"].items()
        return (yield from _answered(kind, asked, host.target))
    return (yield from _answered(kind, asked, host.store))


def _answered(kind: str, asked: Any, store: Store | AsyncStore) -> Answering:
    """The answer of a store, or `Raised`."""
    answer = yield _called(kind, asked, store)
    if isinstance(answer, Raised):
        return answer
    if kind == "load":
        return {"load": {"records": answer}}
    if kind == "commit" and answer == "failed":
        return {"failed": {"applied": "no"}}
    return {kind: {} if kind == "wait" else answer}


def _at_once(call: Call) -> Any:
    answer = attempt(call)
    if inspect.isawaitable(answer):
        discard(answer)
        return Raised(of_code("INVALID_ARGUMENT", "`read_env` is asynchronous: give one that answers at once"))
    return answer


_UNSUPPORTED: dict[str, Any] = {"unsupported": {}}


def _found(found: list[Any], causes: dict[str, BaseException]) -> Any:
    """What was found of each; one that cannot be read takes nothing from the others."""
    for answer in found:
        if isinstance(answer, Raised):
            causes["REFERENCE_UNRESOLVED"] = answer.error
    return {"values": {"found": ["failed" if isinstance(answer, Raised) else answer for answer in found]}}


def _rotated(asked: Any, session: _native.Session, rotator: Rotator | AsyncRotator) -> Answering:
    """The answer of a rotator, or `Raised`."""
    rotation = Rotation(asked["id"], asked["namespace"], asked["name"], asked["version"])
    if asked["step"] == "create":
        answer = yield Call(partial(rotator.create, rotation), partial(_offer_created, session), "rotator")
        return answer if isinstance(answer, Raised) else {"values": {"found": [answer]}}
    handle = session.take_secret()
    if handle is None:
        return Raised(RuntimeError("the native part gave no value to activate"))
    activate = getattr(rotator, "activate", None)
    with Secret._of_vault(handle, None) as value:
        # Without one, what was created is in use already.
        answer = None if activate is None else (yield Call(partial(activate, rotation, value), what="rotator"))
    return answer if isinstance(answer, Raised) else {"activated": {}}


def _offer(session: _native.Session, value: str | bytes | Secret | None) -> str:
    """Hands a value over to the session, which has a copy of its own then. Tells what was found."""
    try:
        if value is None:
            return "missing"
        with value if isinstance(value, Secret) else Secret(value) as secret, translated():
            session.offer(secret._handle)
        return "given"
    finally:
        del value  # A traceback that shows locals must not show it.


def _offer_created(session: _native.Session, value: str | bytes | Secret | None) -> str:
    try:
        if value is None:
            raise of_code("INVALID_ARGUMENT", "the rotator gave no value")
        return _offer(session, value)
    finally:
        del value


def _called(kind: str, asked: Any, store: Store | AsyncStore) -> Call | Wait:
    """What is to be called for a request of the store."""
    if kind == "load":
        return Call(partial(store.load, asked["keys"]))
    if kind == "list":
        return Call(partial(store.list, asked["query"], asked["cursor"]))
    if kind == "events":
        return Call(partial(store.events, asked["query"], asked["cursor"]))
    if kind == "commit":
        return Call(partial(store.commit, asked["change_set"]))
    return Wait(asked["millis"] / 1000)


def _reply(number: int, answer: Any) -> str:
    """A reply as JSON. Raises for what is no JSON or no Unicode: a failure of the store that gave it."""
    text = answer if isinstance(answer, str) else json.dumps(answer, allow_nan=False, ensure_ascii=False)
    text.encode()
    return f'{{"number":{number},"answer":{text}}}'


def attempt(call: Call | Wait) -> Any:
    """What came of a call, `Raised`, or something to await. What is no `Exception` is not for the operation."""
    answer = None
    try:
        if isinstance(call, Wait):
            return call()
        answer = call.function()
        return answer if inspect.isawaitable(answer) else call.takes(answer)
    except Exception as error:
        return Raised(error)
    finally:
        answer = None  # It may be a value, and this frame is in the traceback of whatever refused it.


def run(steps: Steps, operation: str) -> Outcome:
    """Runs the loop in this thread."""
    try:
        call = next(steps)
        while True:
            answer = attempt(call)
            if inspect.isawaitable(answer):
                discard(answer)
                raise asynchronous(operation, call.what if isinstance(call, Call) else "store")
            call = steps.send(answer)
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome
    finally:
        steps.close()


def asynchronous(operation: str | None = None, what: str = "store") -> StrongroomError:
    """What a synchronous vault says to callbacks that are to be awaited."""
    message = f"the {what} is asynchronous: use the Vault of strongroom.aio, or give a {what} that answers at once"
    return of_code("INVALID_ARGUMENT", message, operation)


def discard(awaitable: Any) -> None:
    """Gives up what nobody will await; Python would warn of a coroutine that was merely dropped."""
    if inspect.iscoroutine(awaitable):
        awaitable.close()
