"""Stores: where a vault's records and events live.

A store is four callbacks. Records, events and change sets are plain `dict`s as the storage contract has them; keep
every field to the letter. What a callback raises becomes the cause of a `StorageFailedError`.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

from strongroom.stores._memory import MemoryStore
from strongroom.stores._sqlite import SQLiteStore

__all__ = ["CommitAnswer", "MemoryStore", "SQLiteStore", "Store"]

CommitAnswer = Literal["committed", "conflict", "failed"]


class Store(Protocol):
    """What a host implements so that a vault can live in its database."""

    def load(self, keys: list[dict[str, Any]], /) -> list[dict[str, Any]]:
        """The records with these keys that exist, in any order, and no others."""

    def list(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        """`{"items": [{"key", "revision"}], "cursor"}`: a page ordered by namespace and name, byte by byte."""

    def commit(self, change_set: dict[str, Any], /) -> CommitAnswer:
        """Applies all of a change set or none of it.

        A store that finds the operation id among its events answers `committed` and does nothing. `failed` says that
        nothing was applied; a store that does not know raises, and is asked again with the same operation id.
        """

    def events(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        """`{"events": [...], "cursor"}`: a page of events."""
