"""What a vault runs on besides its core: a store, the environment, files, and whoever makes new values."""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from strongroom._access import AccessFinding
from strongroom._error import of_code
from strongroom._results import AuditEvent
from strongroom._secret import Secret

if TYPE_CHECKING:
    from io import FileIO

    from strongroom.stores import AsyncStore, Store

ReadEnv = Callable[[str], str | bytes | Secret | None]
"""The value of a variable of the environment, or `None` when it is not set. A `Secret` is taken over, and wiped."""
ReadFile = Callable[[str], str | bytes | Secret | None]
"""The content of a file, or `None` when there is none; the path is as it was written. A `Secret` is taken over, too."""
AsyncReadFile = Callable[[str], Awaitable[str | bytes | Secret | None]]
"""The same for `strongroom.aio`, to be awaited."""
OnEvent = Callable[[AuditEvent], object]
"""Is told of an event when it is committed. What it raises is logged (`strongroom`), and fails nothing."""
AsyncOnEvent = Callable[[AuditEvent], Awaitable[object]]
"""The same for `strongroom.aio`, to be awaited."""
OnFinding = Callable[[AccessFinding], object]
"""Is told what the rules of access found. What it raises is logged (`strongroom`), and fails nothing."""
AsyncOnFinding = Callable[[AccessFinding], Awaitable[object]]
"""The same for `strongroom.aio`, to be awaited."""


@dataclass(frozen=True)
class Rotation:
    """One rotation: the same in all its steps, and whenever one of them is asked for again."""

    id: str
    """Random, 32 hex digits."""
    namespace: str
    name: str
    version: int
    """The number of the version that the value will be."""


class Rotator(Protocol):
    """Has new values made where they are used, such as by their provider.

    What it raises is the cause of a `RotationFailedError`.
    """

    def create(self, rotation: Rotation, /) -> str | bytes | Secret:
        """Has a new value made; the old one stays good.

        Asked again for the same rotation, it gives the same value, or another in its place. A `Secret` that it gives is
        taken over, and wiped.
        """

    def activate(self, rotation: Rotation, value: Secret, /) -> object:
        """Makes the value the one in use. It may be asked again after it was done; the `Secret` is wiped afterwards."""


class AsyncRotator(Protocol):
    """The same for `strongroom.aio`, to be awaited."""

    def create(self, rotation: Rotation, /) -> Awaitable[str | bytes | Secret]:
        """As `Rotator.create`."""

    def activate(self, rotation: Rotation, value: Secret, /) -> Awaitable[object]:
        """As `Rotator.activate`."""


@dataclass(frozen=True)
class Host:
    """What sessions ask. What is `None` is unsupported."""

    store: Store | AsyncStore
    read_env: ReadEnv | None = None
    read_file: ReadFile | AsyncReadFile | None = None
    rotator: Rotator | AsyncRotator | None = None
    on_event: OnEvent | AsyncOnEvent | None = None
    on_finding: OnFinding | AsyncOnFinding | None = None
    target: Store | AsyncStore | None = None
    """The store that the vault is copied to."""

    def __post_init__(self) -> None:
        for name in ("read_env", "read_file", "on_event", "on_finding"):
            read: Any = getattr(self, name)
            if read is not None and not callable(read):
                raise of_code("INVALID_ARGUMENT", f"`{name}` is a function, or `None`")


FILE_MAX = 1024 * 1024
"""The largest file that is read, in bytes: sixteen times the longest value that a vault takes unless told otherwise."""


def read_env(name: str) -> str | bytes | None:
    """A variable of this process, its bytes where the system has them."""
    return os.environb.get(name.encode()) if os.supports_bytes_environ else os.environ.get(name)


def read_file(path: str) -> Secret | None:
    """A file of this machine, of at most 1 MiB. Raises `OSError`, also for what is no file or too long."""
    # Nothing to wait for: to open a pipe is otherwise to wait for whoever writes into it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        opened = os.open(path, flags)
    except (
        FileNotFoundError,
        NotADirectoryError,
    ):  # A part of the path that is no folder: there is no such file either.
        return None
    except OSError as error:
        # Without the path: where one was expected, somebody may have put a value.
        raise OSError(error.errno, error.strerror) from None
    try:
        status = os.fstat(opened)
        if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_MAX:
            raise _refused()
        with open(opened, "rb", buffering=0, closefd=False) as file:
            return _content(file, status.st_size)
    finally:
        os.close(opened)


def _content(file: FileIO, size: int) -> Secret:
    # As much as it can be, and a byte more, which tells that it is more: files of the kernel's say they are empty.
    content = bytearray((size or FILE_MAX) + 1)
    try:
        length = 0
        with memoryview(content) as view:
            while (read := file.readinto(view[length:])) and length < len(content):
                length += read
        if length == len(content):
            raise _refused()
        return _secret_of(content, length)
    finally:
        content[:] = bytes(len(content))


def _secret_of(content: bytearray, length: int) -> Secret:
    head = content[:length]
    try:
        return Secret(cast("bytes", head))  # Copied, as what may change meanwhile.
    finally:
        head[:] = bytes(length)


def _refused() -> OSError:
    return OSError("it is no file of at most 1 MiB")
