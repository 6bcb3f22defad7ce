"""The vault's records and events in a SQLite file, through the standard library's `sqlite3`."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING

from strongroom.stores._answering import Answering
from strongroom.stores._sqlite_database import SQLiteDatabase

if TYPE_CHECKING:
    import os


class SQLiteStore(Answering):
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

    def _answer(self, kind: str, content: str) -> str:
        with self._lock:
            return self._database.answer(kind, content)

    def close(self) -> None:
        """Closes the database."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> SQLiteStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
