"""The vault's records and events in PostgreSQL or SQLite, through SQLAlchemy 2."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

from strongroom._error import of_code
from strongroom.stores._engine import Inherited, async_engine_for, engine_for
from strongroom.stores._postgres import Postgres, Request
from strongroom.stores._sqlite_database import SQLiteDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from strongroom.stores import CommitAnswer


class SQLAlchemyStore:
    """A store in PostgreSQL (14 or later, by psycopg 3), where many hosts share it; or in a SQLite file.

    The tables and functions are made when they are missing; any number of hosts may open the database at once. A role
    that may create nothing opens one that is up to date. Safe to share between threads; over PostgreSQL, a process that
    is forked makes connections of its own.

    >>> from strongroom import Keyring, Vault
    >>> with SQLAlchemyStore("sqlite://") as store:
    ...     vault = Vault(Keyring.generate(), store)
    ...     vault.set("A", "sk_test_abc123", actor="alice").created
    True
    """

    def __init__(self, engine: Engine | str | URL, *, schema: str | None = None, require_tls: bool = True) -> None:
        """Opens a database, given by its URL or as an engine, which is used as it is but for its transactions.

        `schema`: where the tables are, in PostgreSQL; `public` when `None`. `require_tls`: a connection that a URL asks
        for is encrypted, unless it stays on this machine; `sslmode=verify-full` in the URL has the server's name
        checked as well. Raises `UnsupportedError` for another database, one of a newer strongroom, or another
        program's tables; `InvalidArgumentError`; and what SQLAlchemy raises.
        """
        self._engine, self._is_own = engine_for(engine, require_tls=require_tls)
        self._inherited = Inherited(self._engine)
        try:
            self._backend: _Backend = _backend_of(self._engine, schema, self._inherited)
        except BaseException:
            self.close()
            raise

    def load(self, keys: list[dict[str, Any]], /) -> list[dict[str, Any]]:
        """The records with these keys that exist."""
        return cast("list[dict[str, Any]]", self._backend.ask("load", {"keys": keys})["records"])

    def list(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        """A page of keys and revisions."""
        return cast("dict[str, Any]", self._backend.ask("list", {"query": query, "cursor": cursor}))

    def commit(self, change_set: dict[str, Any], /) -> CommitAnswer:
        """Applies all of a change set or none of it."""
        return cast("CommitAnswer", self._backend.ask("commit", {"change_set": change_set}))

    def events(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        """A page of events."""
        return cast("dict[str, Any]", self._backend.ask("events", {"query": query, "cursor": cursor}))

    def close(self) -> None:
        """Closes the connections of an engine that the store made; one that was given stays open."""
        if self._is_own:
            self._inherited.leave()
            self._engine.dispose()

    def __enter__(self) -> SQLAlchemyStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncSQLAlchemyStore:
    """A store in PostgreSQL for `strongroom.aio`, by psycopg 3 or asyncpg, opened with its first request.

    One store serves one event loop, as its connections do; for several, give an engine with a `NullPool`. For a SQLite
    file give a vault of `strongroom.aio` a `SQLAlchemyStore`, which works in its threads.
    """

    def __init__(self, engine: AsyncEngine | str | URL, *, schema: str | None = None, require_tls: bool = True) -> None:
        """Takes what `SQLAlchemyStore` takes, with an `AsyncEngine` for an engine."""
        self._engine, self._is_own = async_engine_for(engine, require_tls=require_tls)
        self._postgres = Postgres.of(self._engine.dialect, schema)
        self._requests = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._inherited = Inherited(self._engine.sync_engine)
        self._is_open = False

    async def load(self, keys: list[dict[str, Any]], /) -> list[dict[str, Any]]:
        """The records with these keys that exist."""
        return cast("list[dict[str, Any]]", (await self._ask("load", {"keys": keys}))["records"])

    async def list(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        """A page of keys and revisions."""
        return cast("dict[str, Any]", await self._ask("list", {"query": query, "cursor": cursor}))

    async def commit(self, change_set: dict[str, Any], /) -> CommitAnswer:
        """Applies all of a change set or none of it."""
        return cast("CommitAnswer", await self._ask("commit", {"change_set": change_set}))

    async def events(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        """A page of events."""
        return cast("dict[str, Any]", await self._ask("events", {"query": query, "cursor": cursor}))

    async def close(self) -> None:
        """Closes the connections of an engine that the store made; one that was given stays open."""
        if self._is_own:
            self._inherited.leave()
            await self._engine.dispose()

    async def __aenter__(self) -> AsyncSQLAlchemyStore:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _ask(self, request: Request, content: dict[str, Any]) -> Any:
        from sqlalchemy.exc import DBAPIError

        self._inherited.leave()
        if not self._is_open:
            await self._open()
            self._is_open = True
        asking = self._postgres.asking(request, content)
        while True:
            async with self._requests.connect() as connection:
                try:
                    return json.loads((await connection.exec_driver_sql(asking.sql, asking.parameters)).scalar_one())
                except DBAPIError as error:
                    if asking.is_spent(error):
                        await connection.invalidate()
                    if not asking.is_worth_another(error):
                        return asking.answer_to(error)

    async def _open(self) -> None:
        async with self._requests.connect() as connection:
            if (await self._plan_opening(connection))["state"] == "current":
                return
        transactions = self._engine.execution_options(isolation_level="READ COMMITTED", no_parameters=True)
        async with transactions.begin() as connection:
            await connection.exec_driver_sql(self._postgres.statements["lock"])
            # Planned again: another process may have come first.
            for sql in (await self._plan_opening(connection))["statements"]:
                await connection.exec_driver_sql(sql)

    async def _plan_opening(self, connection: AsyncConnection) -> dict[str, Any]:
        inspection = (await connection.exec_driver_sql(self._postgres.statements["inspect"])).scalar_one()
        plan = self._postgres.plan_opening(inspection, None)
        if plan["state"] != "unknown":
            return plan
        version = (await connection.exec_driver_sql(self._postgres.statements["version"])).scalar_one()
        return self._postgres.plan_opening(inspection, version)


class _Backend(Protocol):
    def ask(self, request: Request, content: dict[str, Any]) -> Any:
        """The answer to a request, as the contract has it."""


def _backend_of(engine: Engine, schema: str | None, inherited: Inherited) -> _Backend:
    if engine.dialect.name != "sqlite":
        return _OnPostgres(engine, Postgres.of(engine.dialect, schema), inherited)
    if schema is not None:
        raise of_code("INVALID_ARGUMENT", "SQLite has no schemas: leave `schema` out")
    return _OnSQLite(engine)


class _OnPostgres:
    def __init__(self, engine: Engine, postgres: Postgres, inherited: Inherited) -> None:
        self._postgres, self._inherited = postgres, inherited
        self._requests = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._transactions = engine.execution_options(isolation_level="READ COMMITTED", no_parameters=True)
        self._open()

    def ask(self, request: Request, content: dict[str, Any]) -> Any:
        from sqlalchemy.exc import DBAPIError

        self._inherited.leave()
        asking = self._postgres.asking(request, content)
        while True:
            with self._requests.connect() as connection:
                try:
                    return json.loads(connection.exec_driver_sql(asking.sql, asking.parameters).scalar_one())
                except DBAPIError as error:
                    if asking.is_spent(error):
                        connection.invalidate()
                    if not asking.is_worth_another(error):
                        return asking.answer_to(error)

    def _open(self) -> None:
        with self._requests.connect() as connection:
            if self._plan_opening(connection)["state"] == "current":
                return
        with self._transactions.begin() as connection:
            connection.exec_driver_sql(self._postgres.statements["lock"])
            # Planned again: another process may have come first.
            for sql in self._plan_opening(connection)["statements"]:
                connection.exec_driver_sql(sql)

    def _plan_opening(self, connection: Connection) -> dict[str, Any]:
        inspection = connection.exec_driver_sql(self._postgres.statements["inspect"]).scalar_one()
        plan = self._postgres.plan_opening(inspection, None)
        if plan["state"] != "unknown":
            return plan
        version = connection.exec_driver_sql(self._postgres.statements["version"]).scalar_one()
        return self._postgres.plan_opening(inspection, version)


class _OnSQLite:
    def __init__(self, engine: Engine) -> None:
        from sqlalchemy.pool import SingletonThreadPool

        if engine.dialect.driver != "pysqlite":
            message = f"sqlite+{engine.dialect.driver} is no database of a vault: use sqlite, by the standard library"
            raise of_code("UNSUPPORTED", message)
        if isinstance(engine.pool, SingletonThreadPool):
            message = "the engine gives every thread a database of its own: make it with poolclass=StaticPool"
            raise of_code("UNSUPPORTED", message)
        self._engine = engine
        self._lock = threading.Lock()
        with self._database() as database:
            database.open()

    def ask(self, request: Request, content: dict[str, Any]) -> Any:
        with self._database() as database:
            answer: Any = getattr(database, request)(*content.values())
        return {"records": answer} if request == "load" else answer

    @contextmanager
    def _database(self) -> Iterator[SQLiteDatabase]:
        """Threads take turns."""
        with self._lock:
            pooled = self._engine.raw_connection()
            try:
                connection = cast("Any", pooled.driver_connection)
                before = connection.isolation_level
                connection.isolation_level = None
                try:
                    yield SQLiteDatabase(connection)
                finally:
                    connection.isolation_level = before
            finally:
                pooled.close()
