"""What happened: one line an operation, as the processes write it and the checker reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

Kind = Literal["set", "rotate", "delete", "get", "verify", "exists", "versions", "list", "get_many", "set_many", "last"]

Told = Any
"""What came back, `NOT_FOUND`, or nothing when nobody knows how it ended. By kind:

set, rotate: `[version, created]`; delete: `True`; get: `[version, value]`; verify: the version that was accepted, or
0; exists: a bool; versions: the numbers, newest first. Of several: a dict of these by name. list: the version of each
name; last, the list when all is over: `[version, accessed_count]` of each.
"""
NOT_FOUND = "not found"


@dataclass(frozen=True, slots=True)
class Line:
    """One operation of one process. Instants are nanoseconds of `CLOCK_MONOTONIC`, which all processes share."""

    process: int
    kind: Kind
    namespace: str
    names: list[str]
    """None for `list` and `last`, which are of the whole namespace."""
    asked: list[str]
    """The values that were given, one for each name, if any."""
    start: int
    end: int
    told: Told
    error: str | None = None
    """The code and the message, when an error reached the caller."""

    def write(self) -> str:
        """As a line of text."""
        return json.dumps([getattr(self, field) for field in self.__slots__], separators=(",", ":")) + "\n"


def write_lines(lines: Iterable[Line], file: TextIO) -> None:
    file.writelines(line.write() for line in lines)


def read_lines(paths: Iterable[Path]) -> Iterator[Line]:
    """Every line of some files, in no order."""
    for path in paths:
        with path.open(encoding="utf-8") as file:
            for text in file:
                yield Line(*json.loads(text))
