"""The run loop in asyncio: `run` performs in the event loop what the driver asks for."""

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from strongroom._driver import Outcome, Raised, Wait, attempt, discard

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from functools import partial

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
