"""The vault's records and events in a SQLite file, through the standard library's `sqlite3`."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING, Any

from strongroom.stores._sqlite_database import SQLiteDatabase

if TYPE_CHECKING:
    import os

    from strongroom.stores import CommitAnswer


class SQLiteStore:
    """A store in a SQLite file. A file that does not exist is made.

    One of an earlier strongroom is brought up to date, and no earlier one opens it then. One that another program
    filled is adopted in place, after a copy beside it (`bot.db.before-strongroom`): its rows, further columns, indexes
    and triggers stay. Threads take turns.

    >>> from strongroom import Keyring, Vault
    >>> with SQLiteStore(":memory:") as store:
    ...     vault = Vault(Keyring.generate(), store)
    ...     vault.set("A", "sk_test_abc123", actor="alice").created
    True
    """

    def __init__(self, path: str | os.PathLike[str], *, busy_timeout: float = 10.0) -> None:
        """Opens a file; `busy_timeout` is how long to wait for other writers, in seconds.

        Raises `UnsupportedError` for another program's tables, and what `sqlite3` raises.
        """
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            path, timeout=busy_timeout, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        self._database = SQLiteDatabase(self._connection)
        try:
            self._database.open()
        except BaseException:
            self._connection.close()
            raise

    def load(self, keys: list[dict[str, Any]], /) -> list[dict[str, Any]]:
        """The records with these keys that exist."""
        with self._lock:
            return self._database.load(keys)

    def list(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        """A page of keys and revisions."""
        with self._lock:
            return self._database.list(query, cursor)

    def events(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        """A page of events."""
        with self._lock:
            return self._database.events(query, cursor)

    def commit(self, change_set: dict[str, Any], /) -> CommitAnswer:
        """Applies all of a change set or none of it."""
        with self._lock:
            return self._database.commit(change_set)

    def close(self) -> None:
        """Closes the database."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> SQLiteStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
