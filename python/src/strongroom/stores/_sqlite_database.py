"""A vault's records and events on a connection of `sqlite3`: what the bindings plan, run.

Whoever gives the connection sees to it that one thread uses it at a time, and that it begins no transactions of its own
(`isolation_level=None`).
"""

from __future__ import annotations

import json
import os
import stat
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strongroom import _native
from strongroom._error import of_code, translated
from strongroom.stores._answering import named

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from strongroom.stores import CommitAnswer

_STATEMENTS: dict[str, str] = json.loads(_native.sqlite_statements())


class SQLiteDatabase:
    """Answers requests over a connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def open(self) -> None:
        """Makes the tables, brings them up to date, or adopts another program's. Raises `UnsupportedError`."""
        planned = self._plan_opening()
        if planned["state"] == "current":
            return
        if planned["state"] == "fresh":
            self._connection.execute("PRAGMA journal_mode = WAL")
        if planned["state"] == "adopt":
            self._copy_beside()
        foreign_keys = self._first("PRAGMA foreign_keys")
        self._connection.execute("PRAGMA foreign_keys = OFF")
        try:
            self._transaction(self._rebuild)
        finally:
            self._connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")

    def answer(self, kind: str, content: str) -> str:
        """The answer to a request, as `Answering` has it."""
        with translated():
            plan = json.loads(_native.sqlite_plan(named(kind, content)))
        if kind == "commit":
            return json.dumps({"commit": self._commit(plan["write"])})
        read = plan["read"]
        rows = self._connection.execute(_STATEMENTS[read["statement"]], (read["param"],)).fetchall()
        # Each row begins with what it holds, which SQLite wrote as JSON.
        found = ",".join(row[0] for row in rows)
        if kind == "load":
            return f'{{"load":{{"records":[{found}]}}}}'
        cursor = rows[-1][1] if rows and len(rows) >= json.loads(content)["query"]["limit"] else None
        what = "items" if kind == "list" else "events"
        return f'{{"{kind}":{{"{what}":[{found}],"cursor":{json.dumps(cursor)}}}}}'

    def _commit(self, runs: list[dict[str, Any]]) -> CommitAnswer:
        def write() -> CommitAnswer | None:
            for run in runs:
                row = self._connection.execute(_STATEMENTS[run["statement"]], (run["param"],)).fetchone()
                expect = run.get("expect")
                if expect is not None and (None if row is None else row[0]) != expect["value"]:
                    otherwise: CommitAnswer = expect["otherwise"]
                    return otherwise
            return None

        return self._transaction(write) or "committed"

    def _transaction(self, run: Callable[[], CommitAnswer | None]) -> CommitAnswer | None:
        """Runs something in a transaction that it commits only when it answers nothing."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            answer = run()
            self._connection.execute("COMMIT" if answer is None else "ROLLBACK")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return answer

    def _rebuild(self) -> None:
        """Planned again inside the transaction: another process may have come first."""
        before = len(self._connection.execute("PRAGMA foreign_key_check").fetchall())
        for sql in self._plan_opening()["statements"]:
            self._connection.execute(sql)
        if len(self._connection.execute("PRAGMA foreign_key_check").fetchall()) > before:
            message = "adopting the database would break its foreign keys; nothing was changed"
            raise of_code("UNSUPPORTED", message)

    def _plan_opening(self) -> dict[str, Any]:
        inspection = self._first(_STATEMENTS["inspect"])
        version = self._first(_STATEMENTS["schema_version"]) if json.loads(inspection)["current"] else None
        with translated():
            plan: dict[str, Any] = json.loads(_native.sqlite_plan_opening(inspection, version))
        return plan

    def _copy_beside(self) -> None:
        """Whole or not at all, readable by nobody who may not read the original. Nothing for one in memory."""
        path = self._first("SELECT file FROM pragma_database_list WHERE name = 'main'")
        copy = Path(f"{path}.before-strongroom")
        if not path or copy.exists():
            return
        partial = copy.with_name(f"{copy.name}.{uuid.uuid4()}")
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            self._connection.execute("VACUUM INTO ?", (str(partial),))
            partial.chmod(stat.S_IMODE(Path(path).stat().st_mode))
            # Another process may have made one meanwhile, and this one may show the database as that one adopted it.
            if not copy.exists():
                partial.rename(copy)
        finally:
            partial.unlink(missing_ok=True)

    def _first(self, sql: str) -> Any:
        row = self._connection.execute(sql).fetchone()
        return None if row is None else row[0]
