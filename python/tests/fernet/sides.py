"""`strongroom.fernet` and `cryptography.fernet` side by side: the same keys and questions, the answers compared."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography import fernet as theirs

from strongroom import fernet as ours

NOW = 1_700_000_000
VERSION = b"\x80"


def signed(body: bytes, key: bytes) -> bytes:
    return body + hmac.digest(key[:16], body, "sha256")


def key_whose_mac_of_nothing_begins_as_a_token() -> bytes:
    """With it, 32 bytes are signed, and too short for anything else."""
    return next(
        key for key in (bytes([n >> 8, n & 255, *range(30)]) for n in range(1 << 16)) if signed(b"", key)[:1] == VERSION
    )


KEYS = [
    bytes(range(32)),
    bytes(range(32, 64)),
    bytes(range(16)) + bytes(16),
    key_whose_mac_of_nothing_begins_as_a_token(),
]
"""The first and the third have the half that signs in common."""
RINGS = [[0], [1, 0], [0, 2], [2, 0], [1, 3, 2, 0]]
"""Each is a `MultiFernet`, by the indices of its keys."""


@dataclass(frozen=True)
class Side:
    """One of the two modules, with the same keys."""

    module: Any
    fernets: list[Any]
    rings: list[Any]

    @classmethod
    def of(cls, module: Any) -> Side:
        fernets = [module.Fernet(base64.urlsafe_b64encode(key)) for key in KEYS]
        return cls(module, fernets, [module.MultiFernet([fernets[each] for each in ring]) for ring in RINGS])


OURS, THEIRS = Side.of(ours), Side.of(theirs)


def both(ask: Callable[[Side], Any]) -> tuple[Any, Any]:
    """What ours answers, and what theirs does: a value, or the exception."""
    return outcome(lambda: ask(OURS)), outcome(lambda: ask(THEIRS))


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:  # whatever it is, the other side must raise it too
        return error


def agree(mine: Any, other: Any) -> bool:
    if not isinstance(other, Exception):
        return type(mine) is type(other) and bool(mine == other)
    if isinstance(other, theirs.InvalidToken):
        is_both = isinstance(mine, ours.InvalidToken) and isinstance(mine, theirs.InvalidToken)
        return is_both and type(mine).__name__ == "InvalidToken" and mine.args == other.args == ()
    told = [
        (type(each), each.args, str(each), type(each.__cause__))
        for each in (mine, other)
        if isinstance(each, Exception)
    ]
    return len(told) == 2 and told[0] == told[1]


class Text(str):
    __slots__ = ()


class Bytes(bytes):
    __slots__ = ()
