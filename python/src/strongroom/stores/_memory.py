"""A store in memory, gone with the process: for tests and for trying out."""

from __future__ import annotations

import json
from typing import Any

from strongroom import _native
from strongroom._error import translated
from strongroom.stores._answering import Answering


class MemoryStore(Answering):
    """Records and events in memory. Safe to share between threads."""

    __slots__ = ("_handle",)

    def __init__(self) -> None:
        self._handle = _native.MemoryStore()

    def _answer(self, request: dict[str, Any]) -> Any:
        with translated():
            return json.loads(self._handle.answer(json.dumps(request)))
