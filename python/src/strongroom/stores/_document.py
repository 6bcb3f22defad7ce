"""A vault in one text: in a file, or in anything that keeps bytes and can say whether they changed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from strongroom import _native
from strongroom._error import StrongroomError, of_code, translated
from strongroom.stores._answering import Answering, AsyncAnswering, named, raise_having_done_nothing

if TYPE_CHECKING:
    import os
    from collections.abc import Generator
    from typing import Literal, TypeAlias

    _Steps: TypeAlias = Generator[Callable[[], Any], Any, str]
    Written: TypeAlias = Literal["written", "conflict"]

__all__ = ["AsyncDocumentStore", "DocumentStore", "FileStore"]

Tag = TypeVar("Tag")

LIMIT = 64 * 1024 * 1024
"""How long a document is at most unless told otherwise, in bytes."""

_TRIES = 8
"""How often a commit begins again when others came first, before the vault is told, which waits and tries again."""


class FileStore(Answering):
    """A store in a file that only its owner can read. It does not exist until the first change.

    The file is replaced whole, under the lock `<path>.lock`, which stays beside it: whoever is killed on the way leaves
    the old content or the new one. A file that others can read or write is refused, and so is a link. Every change
    writes the whole file. What fails is the `__cause__` of a `StorageFailedError`: `StorageFailedError`, or
    `LimitExceededError` for a vault that grew too long. Threads take turns.

    >>> import tempfile
    >>> from strongroom import Keyring, Vault
    >>> folder = tempfile.TemporaryDirectory()
    >>> vault = Vault(Keyring.generate(), FileStore(f"{folder.name}/secrets.json.enc"))
    >>> vault.set("A", "sk_test_abc123", actor="alice").created
    True
    >>> folder.cleanup()
    """

    __slots__ = ("_handle",)

    def __init__(self, path: str | os.PathLike[str], *, lock_timeout: float = 10.0, limit: int = LIMIT) -> None:
        """`lock_timeout` is how long to wait for other writers, in seconds; `limit` how long the file is at most.

        Nothing is opened yet. Raises `InvalidArgumentError` for a path without a file's name.
        """
        millis = _whole(lock_timeout * 1000, "`lock_timeout`")
        with translated():
            self._handle = _native.FileStore(path, _whole(limit, "`limit`"), millis)

    def backup(self, to: str | os.PathLike[str], *, replace: bool = False) -> str:
        """Copies the file to another path, reads the copy back and compares it; gives its checksum, as hex.

        The copy is as private as the file, and `cp` puts it back. What is there already is left alone unless it may be
        replaced. Raises `InvalidArgumentError` for that, and `StorageFailedError`.
        """
        with translated():
            return self._handle.backup(to, replace)

    def _answer(self, kind: str, content: str) -> str:
        with translated():
            answer = self._handle.answer(named(kind, content))
        if not answer.startswith('{"failed":'):
            return answer
        failed = json.loads(answer)["failed"]
        error = of_code(failed["code"], failed["message"])
        if failed["applied"] == "no":
            raise_having_done_nothing(error, kind)
        raise error


def _whole(number: float, what: str) -> int:
    if isinstance(number, bool) or not 0 <= number < 2**53:
        raise of_code("INVALID_ARGUMENT", f"{what} is out of range")
    return int(number)


class _Documents(Generic[Tag]):
    """What the synchronous and the asynchronous store have in common.

    A generator that yields what is to be called and is sent what came of it, and gives the answer.
    """

    def __init__(self, read: Callable[[], Any], write: Callable[[bytes, Tag | None], Any], *, limit: int) -> None:
        self._read = read
        self._write = write
        with translated():
            self._document = _native.Document(_whole(limit, "`limit`"))

    def steps(self, kind: str, content: str) -> _Steps:
        request = named(kind, content)
        for tried in range(_TRIES):
            found = yield self._read
            text, tag = (None, None) if found is None else found
            try:
                # What it keeps it knows again by the content, whatever the tag.
                with translated():
                    answer, changed = self._document.answer(text, request)
            except StrongroomError as error:
                # To a client that repeats a put whose reply got lost, its own write is a conflict.
                if tried:
                    raise
                raise_having_done_nothing(error, kind)
            if changed is None:
                return answer
            written = yield _writing(self._write, changed, tag)
            if written == "written":
                return answer
            if written != "conflict":
                raise TypeError("`write` gives 'written' or 'conflict'")
        return '{"commit":"conflict"}'


def _next(steps: _Steps, came: Any) -> tuple[Callable[[], Any] | None, str]:
    """What is to be called next, or nothing and the answer."""
    try:
        return steps.send(came), ""
    except StopIteration as end:
        return None, end.value


def _writing(write: Callable[[bytes, Tag | None], Any], text: bytes, tag: Tag | None) -> Callable[[], Any]:
    return lambda: write(text, tag)


class DocumentStore(Answering, Generic[Tag]):
    """A store in anything that keeps one text: an object in a bucket, a value in a cache.

    `read()` gives `(content, tag)`, or `None` where there is nothing yet; a place that does not say so raises, since it
    may have something. The tag tells contents apart, as an ETag
    does. `write(content, tag)` writes all of it if what is there still has the tag, or, for `None`, if there still is
    nothing, in one step with the comparison, and gives `"written"` or `"conflict"`. When it is not known whether it was
    written, it raises, is asked again, and what it then reads shows it.

    Every request reads the document and every change writes it; longer ones than `limit` bytes are refused. Threads
    take turns.

    >>> kept = []
    >>> def read():
    ...     return (kept[-1], len(kept)) if kept else None
    >>> def write(content, tag):
    ...     if tag != (len(kept) or None):
    ...         return "conflict"
    ...     kept.append(content)
    ...     return "written"
    >>> from strongroom import Keyring, Vault
    >>> Vault(Keyring.generate(), DocumentStore(read, write)).set("A", "sk_test_abc123", actor="alice").created
    True
    """

    def __init__(
        self,
        read: Callable[[], tuple[bytes, Tag] | None],
        write: Callable[[bytes, Tag | None], Written],
        *,
        limit: int = LIMIT,
    ) -> None:
        self._documents = _Documents(read, write, limit=limit)
        self._lock = threading.Lock()

    def _answer(self, kind: str, content: str) -> str:
        steps = self._documents.steps(kind, content)
        with self._lock:
            call, answer = _next(steps, None)
            while call is not None:
                call, answer = _next(steps, call())
            return answer


class AsyncDocumentStore(AsyncAnswering, Generic[Tag]):
    """A `DocumentStore` for `strongroom.aio.Vault`: `read` and `write` are coroutine functions. Tasks take turns.

    >>> async def read():
    ...     return None
    >>> async def write(content, tag):
    ...     return "written"
    >>> async def main():
    ...     return await AsyncDocumentStore(read, write).load([])
    >>> asyncio.run(main())
    []
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[tuple[bytes, Tag] | None]],
        write: Callable[[bytes, Tag | None], Awaitable[Written]],
        *,
        limit: int = LIMIT,
    ) -> None:
        self._documents = _Documents(read, write, limit=limit)
        # One for each loop: a lock that is waited for belongs to its loop.
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    async def _answer(self, kind: str, content: str) -> str:
        steps = self._documents.steps(kind, content)
        async with self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            call, answer = _next(steps, None)
            while call is not None:
                # To parse a long document takes a while: the loop goes on meanwhile.
                call, answer = await asyncio.to_thread(_next, steps, await call())
            return answer
