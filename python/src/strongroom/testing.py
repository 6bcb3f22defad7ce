"""The conformance kit: it tells the author of a store whether it keeps the storage contract.

>>> from strongroom.stores import MemoryStore
>>> passed = check_store(MemoryStore())
>>> "compare_and_swap" in passed
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom import _loop, _native
from strongroom._driver import asynchronous, drive, run
from strongroom._host import Host
from strongroom._operations import check_callbacks
from strongroom.errors import InvalidArgumentError

if TYPE_CHECKING:
    from strongroom._driver import Outcome
    from strongroom.stores import AsyncStore, Store

__all__ = ["StoreContractError", "StoreFailure", "check_store", "check_store_async"]


@dataclass(frozen=True)
class StoreFailure:
    """What a check found to be wrong."""

    check: str
    """The name of the check."""
    says: str
    """What the store did that it must not do, in one line."""


class StoreContractError(AssertionError):
    """The store breaks the contract. The message has a line for each failure."""

    failures: list[StoreFailure]
    passed: list[str]
    """The names of the checks that the store passed all the same."""

    def __init__(self, failures: list[StoreFailure], passed: list[str]) -> None:
        lines = [f"{failure.check}: {failure.says}" for failure in failures]
        super().__init__("\n  ".join(["the store breaks the storage contract:", *lines]))
        self.failures = failures
        self.passed = passed


def check_store(store: Store) -> list[str]:
    """Puts a store to the test and gives the names of the checks that it passed.

    It must be empty, and holds rows of the test afterwards: never give it one that is in use. Raises
    `StoreContractError` with what is wrong; `StorageFailedError`, with the store's own exception as its cause, when the
    store raises or gives an answer of another shape; `InvalidArgumentError` when it is not empty.

    What it can't see: whether writers get in each other's way, and whether a `load` of several records sees one state.
    """
    check_callbacks(store)
    try:
        return _passed(run(drive(_native.begin_store_check(), Host(store), _OPERATION), _OPERATION))
    except InvalidArgumentError as error:
        if error.args != asynchronous(_OPERATION).args:
            raise
        message = "the store is asynchronous: test it with check_store_async"
        raise InvalidArgumentError(message, operation=_OPERATION) from None


async def check_store_async(store: Store | AsyncStore) -> list[str]:
    """The same for a store of `strongroom.aio`, whose callbacks are awaited, or run in worker threads.

    >>> import asyncio
    >>> from strongroom.stores import MemoryStore
    >>> len(asyncio.run(check_store_async(MemoryStore())))
    15
    """
    check_callbacks(store)
    return _passed(await _loop.run(drive(_native.begin_store_check(), Host(store), _OPERATION)))


_OPERATION = "check_store"


def _passed(outcome: Outcome) -> list[str]:
    passed: list[str] = outcome.told["passed"]
    failures = [StoreFailure(**failure) for failure in outcome.told["failures"]]
    if failures:
        raise StoreContractError(failures, passed)
    return passed
