"""A secret value that shows itself to nobody who does not ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NoReturn

from strongroom import _native
from strongroom._error import translated

if TYPE_CHECKING:
    from datetime import datetime

MaskStyle = Literal["prefix(4)", "prefix(8)", "ends(3)", "full"]
Format = Literal["sealed", "node_gcm", "fernet"]


@dataclass(frozen=True)
class SecretDetails:
    """What is told of a secret beside its value."""

    namespace: str
    name: str
    version: int
    """The number of the version, from 1."""
    format: Format
    """How it is stored."""
    key_id: str
    """The id of the key that it is stored under, 64 hex digits."""
    last_rotated: datetime | None
    """Since when it is the current value, UTC."""


class Secret:
    """A value outside of Python's heap. `str`, `repr` and `format` are masked; `reveal()` is the one way out.

    What it reveals is a Python string, which nothing can wipe: keep it short-lived.

    >>> secret = Secret("sk_test_abc123")
    >>> print(secret, repr(secret), f"{secret}")
    sk_t**** Secret('sk_t****') sk_t****
    >>> secret.reveal()
    'sk_test_abc123'
    """

    __slots__ = ("_handle", "details")

    details: SecretDetails | None
    """What the vault tells of it, if it came from one."""

    def __init__(self, value: str | bytes) -> None:
        try:
            with translated():
                self._handle = _native.make_secret(value)
        finally:
            del value  # A traceback that shows locals must not show it.
        self.details = None

    @classmethod
    def _of_vault(cls, handle: _native.Secret, details: SecretDetails | None) -> Secret:
        secret = cls.__new__(cls)
        secret._handle = handle
        secret.details = details
        return secret

    def reveal(self) -> str:
        """The value as text. Raises `ValueInvalidError` when it is not UTF-8."""
        with translated():
            return self._handle.reveal_text()

    def reveal_bytes(self) -> bytes:
        """The value as bytes."""
        with translated():
            return self._handle.reveal_bytes()

    def masked(self, style: MaskStyle = "prefix(4)") -> str:
        """The value, masked."""
        with translated():
            return self._handle.masked(style)

    def wipe(self) -> None:
        """Wipes the value; it reveals nothing afterwards. Also at the end of a `with` block."""
        self._handle.wipe()

    def __enter__(self) -> Secret:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __eq__(self, other: object) -> bool:
        """Whether two secrets are the same, in constant time for equal lengths. Never equal to a plain `str`."""
        if not isinstance(other, Secret):
            return NotImplemented
        with translated():
            return self._handle.equals(other._handle)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return self._shown()

    def __repr__(self) -> str:
        return f"Secret({self._shown()!r})"

    def __format__(self, spec: str) -> str:
        return format(self._shown(), spec)

    def _shown(self) -> str:
        """What is shown without being asked for: this must not fail, whatever became of the value."""
        try:
            return self._handle.masked("prefix(4)")
        except (_native.NativeError, AttributeError):  # Wiped, or never made: a traceback may show it in its making.
            return "wiped"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: reveal it where it is needed")


def mask(value: str | bytes, style: MaskStyle = "prefix(4)") -> str:
    """A text that stands for a value on a screen or in a log.

    Never tells the length; a value with fewer than three times the characters that would be shown is `****`.

    >>> mask("sk_test_abc123"), mask("hunter2")
    ('sk_t****', '****')
    """
    try:
        with translated():
            return _native.mask(value, style)
    finally:
        del value  # A traceback that shows locals must not show it.
