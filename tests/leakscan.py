"""A scanner for values that got out: in plain, hex, base64 in each of its alignments, and UTF-16.

It looks for pieces of a canary, so that an echo of a part is found too. The first characters are left out: a mask may
show four of them.
"""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SHOWN = 4
"""How many characters at the start of a value a mask may show."""

PIECE = 12
"""How long a piece of a canary is that must not be found, in octets."""


@dataclass(frozen=True)
class Leak:
    where: str
    encoding: str
    offset: int


def make_canary(length: int = 40) -> str:
    """A value that occurs nowhere else, of letters and digits alone: no escaping changes it."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


class Scanner:
    """Finds its canaries."""

    def __init__(self, *canaries: str | bytes) -> None:
        raw = [canary.encode() if isinstance(canary, str) else canary for canary in canaries]
        if not raw or any(len(canary) < SHOWN + PIECE for canary in raw):
            raise ValueError("a canary is too short to be told from chance")
        self._needles = sorted({needle for canary in raw for needle in _needles(canary[SHOWN:])})

    def find(self, where: str, data: str | bytes) -> list[Leak]:
        haystack = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        found = ((encoding, haystack.find(needle)) for encoding, needle in self._needles)
        return [Leak(where, encoding, offset) for encoding, offset in found if offset >= 0]

    def find_in_tree(self, folder: Path) -> list[Leak]:
        """In the files of a folder, and in their names."""
        leaks = []
        for path in sorted(folder.rglob("*")):
            leaks += self.find(f"the name of {path.name[:8]}", path.name)
            leaks += self.find(path.name[:40], path.read_bytes()) if path.is_file() else []
        return leaks


def _needles(canary: bytes) -> Iterator[tuple[str, bytes]]:
    for start in range(len(canary) - PIECE + 1):
        piece = canary[start : start + PIECE]
        yield "plain", piece
        yield "hex", piece.hex().encode()
        yield "HEX", piece.hex().upper().encode()
        yield "utf-16-le", piece.decode("latin-1").encode("utf-16-le")
        yield "utf-16-be", piece.decode("latin-1").encode("utf-16-be")
        # Characters that lie within the piece alone, wherever in an encoded text the piece begins.
        for before in range(3):
            encoded = base64.b64encode(b"\0" * before + piece)
            inner = encoded[-(-before * 8 // 6) : (before + PIECE) * 8 // 6]
            yield f"base64+{before}", inner
            yield f"base64url+{before}", inner.translate(bytes.maketrans(b"+/", b"-_"))
