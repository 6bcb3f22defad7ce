"""The base of all errors, and the way from the native part's errors to them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from strongroom._native import NativeError

if TYPE_CHECKING:
    from collections.abc import Iterator


class StrongroomError(Exception):
    """What every failing call raises. `str(error)` says what was wrong and what to do next, and holds no secret.

    `code` is stable, for programs to go by; `number` is what operators see; `retryable` says whether the same call may
    succeed when it is simply made again; `operation` is the vault's operation that failed, if one did. The exception of
    a store is the `__cause__`.

    >>> import strongroom
    >>> try:
    ...     strongroom.Keyring.parse("hunter2")
    ... except strongroom.StrongroomError as error:
    ...     (error.code, error.number, error.retryable)
    ('KEY_INVALID', 2, False)
    """

    code: ClassVar[str]
    number: ClassVar[int]
    retryable: ClassVar[bool]
    operation: str | None

    def __init__(self, message: str, *, operation: str | None = None) -> None:
        super().__init__(message)
        self.operation = operation


class NothingAppliedError(Exception):
    """Raised by the `commit` of a store that knows that nothing was applied: the vault gives up and does not ask again.

    What it was raised from, or itself where that is nothing, is the `__cause__` of the `StorageFailedError`. It is
    believed the first time that a change set is asked for: after an exception that left it open, it can only speak for
    the last time.

    >>> from strongroom import Keyring, Vault
    >>> from strongroom.stores import MemoryStore
    >>> class Full(MemoryStore):
    ...     def commit(self, change_set, /):
    ...         raise NothingAppliedError("no room left")
    >>> try:
    ...     Vault(Keyring.generate(), Full()).set("A", "sk_test_abc123", actor="alice")
    ... except Exception as error:
    ...     print(f"{error} ({error.__cause__})")
    the store failed and applied nothing; look at the cause, then try again (no room left)
    """


def of_code(code: str, message: str, operation: str | None = None) -> StrongroomError:
    """The error of a code."""
    from strongroom.errors import BY_CODE

    return BY_CODE[code](message, operation=operation)


def of_native(error: NativeError) -> StrongroomError:
    """What the native part's error is here. Cheaper than `translated` where every microsecond is looked at."""
    return of_code(*error.args)


@contextmanager
def translated(operation: str | None = None) -> Iterator[None]:
    """Raises the native part's errors as strongroom's."""
    try:
        yield
    except NativeError as error:
        raise of_code(*error.args, operation) from None
