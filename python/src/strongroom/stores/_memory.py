"""A store in memory, gone with the process: for tests and for trying out."""

from __future__ import annotations

from strongroom import _native
from strongroom._error import translated
from strongroom.stores._answering import Answering, named


class MemoryStore(Answering):
    """Records and events in memory. Safe to share between threads."""

    __slots__ = ("_handle",)

    def __init__(self) -> None:
        self._handle = _native.MemoryStore()

    def _answer(self, kind: str, content: str) -> str:
        with translated():
            return self._handle.answer(named(kind, content))
