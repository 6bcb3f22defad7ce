"""The run loop in asyncio: `run` performs in the event loop what the driver asks for."""

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from strongroom._driver import Call, Outcome, Raised, Wait, attempt, discard

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from strongroom._driver import Steps

F = TypeVar("F", bound="Callable[..., Coroutine[Any, Any, Any]]")


def coroutine_function(method: F) -> F:
    """Marks a method that returns a coroutine as what it is.

    Those that take a value are no `async def`: the frame of a coroutine that has not begun would hold it as text.
    """
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(method)
    method._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
    return method


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


async def _attempt(call: Call | Wait) -> Any:
    """What came of a call or `Raised`: an asynchronous one in the loop, any other in a worker thread."""
    answer = None
    try:
        if isinstance(call, Wait):
            return await asyncio.sleep(call.seconds)
        function = call.function
        answer = function() if inspect.iscoroutinefunction(function.func) else await _in_thread(call)
        if not inspect.isawaitable(answer):
            return answer
        while inspect.isawaitable(answer):
            answer = await answer
        return call.takes(answer)
    except Exception as error:
        return Raised(error)
    except asyncio.CancelledError as error:
        if _is_being_cancelled():
            raise
        return Raised(error)
    finally:
        answer = None  # It may be a value, and this frame is in the traceback of whatever refused it.


async def _in_thread(call: Call) -> Any:
    """What came of a call in a worker thread. Cancelled, it gives up what the call may yet give to be awaited."""
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
