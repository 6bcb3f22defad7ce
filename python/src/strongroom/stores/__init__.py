"""Stores: where a vault's records and events live.

A store is four callbacks, synchronous or, for `strongroom.aio`, asynchronous. Records, events and change sets are plain
`dict`s as the storage contract has them; keep every field to the letter. What a callback raises becomes the cause of a
`StorageFailedError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

from strongroom._error import NothingAppliedError
from strongroom.stores._document import AsyncDocumentStore, DocumentStore, FileStore
from strongroom.stores._memory import MemoryStore
from strongroom.stores._sqlalchemy import AsyncSQLAlchemyStore, SQLAlchemyStore
from strongroom.stores._sqlite import SQLiteStore

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = [
    "AsyncDocumentStore",
    "AsyncSQLAlchemyStore",
    "AsyncStore",
    "CommitAnswer",
    "DocumentStore",
    "FileStore",
    "MemoryStore",
    "NothingAppliedError",
    "SQLAlchemyStore",
    "SQLiteStore",
    "Store",
]

CommitAnswer = Literal["committed", "conflict", "failed"]


class Store(Protocol):
    """What a host implements so that a vault can live in its database.

    `strongroom.testing.check_store` tells whether it is right, and `docs/writing-a-store.md` how to write one.
    """

    def load(self, keys: list[dict[str, Any]], /) -> list[dict[str, Any]]:
        """The records with these keys that exist, each once, in any order, and no others.

        Up to 1000 keys at once; all records as they were at one moment, with no commit in between.
        """

    def list(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        """`{"items": [{"key", "revision"}], "cursor"}`: a page ordered by namespace and name, byte by byte in UTF-8.

        `query` is `{"kind", "namespace", "limit"}`; the namespace `None` stands for all. With `by` it asks for those
        that the `index` of their put tells of: `{"due": millis}` and `{"expired": millis}` for a `due_at` or an
        `expires_at` at that instant or before it, ordered by theirs first, and `{"fingerprint": text}`. The cursor is
        any text that says where to go on, whatever was written since; `None` ends the list. Only its last page may be
        empty.
        """

    def commit(self, change_set: dict[str, Any], /) -> CommitAnswer:
        """Applies all of a change set or none of it.

        A put may have an `index`, `{"due_at", "expires_at", "fingerprints"}`, each perhaps absent: what `list` finds
        the record by from then on, in place of what it was found by before. It is never loaded.

        A store that finds the operation id among its events answers `committed` and does nothing. `conflict` says that
        a record is not as expected, or that the place of an event is taken; `failed` that nothing was applied, as
        `NothingAppliedError` does, which can tell why. A store that does not know raises anything else, and is asked
        again with the same operation id.
        """

    def events(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        """`{"events": [...], "cursor"}`: a page of events, with a cursor as in `list`.

        `query` is `{"scope", "limit"}`. The scopes `latest` and `{"slot": {"namespace", "name"}}` begin with what was
        committed last; `chained` is all that have a stream, by stream and `seq`; `unchained` is the others, in order.
        """


class AsyncStore(Protocol):
    """A store for `strongroom.aio.Vault`: the callbacks of `Store`, as coroutines or giving something to await.

    One that is cancelled must leave a change set applied wholly or not at all.
    """

    def load(self, keys: list[dict[str, Any]], /) -> Awaitable[list[dict[str, Any]]]:
        """As `Store.load`."""

    def list(self, query: dict[str, Any], cursor: str | None, /) -> Awaitable[dict[str, Any]]:
        """As `Store.list`."""

    def commit(self, change_set: dict[str, Any], /) -> Awaitable[CommitAnswer]:
        """As `Store.commit`."""

    def events(self, query: dict[str, Any], cursor: str | None, /) -> Awaitable[dict[str, Any]]:
        """As `Store.events`."""
