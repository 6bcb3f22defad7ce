"""The vault's records and events in PostgreSQL or SQLite, through SQLAlchemy 2."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

from strongroom._error import of_code
from strongroom.stores._answering import Answering, AsyncAnswering
from strongroom.stores._engine import Inherited, async_engine_for, engine_for
from strongroom.stores._postgres import Met, Postgres
from strongroom.stores._sqlite_database import SQLiteDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


class SQLAlchemyStore(Answering):
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

    def _answer(self, kind: str, content: str) -> str:
        return self._backend.answer(kind, content)

    def close(self) -> None:
        """Closes the connections of an engine that the store made; one that was given stays open."""
        if self._is_own:
            self._inherited.leave()
            self._engine.dispose()

    def __enter__(self) -> SQLAlchemyStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncSQLAlchemyStore(AsyncAnswering):
    """A store in PostgreSQL for `strongroom.aio`, by psycopg 3 or asyncpg, opened with its first request.

    One store serves one event loop, as its connections do; for several, give an engine with a `NullPool`. For a SQLite
    file give a vault of `strongroom.aio` a `SQLAlchemyStore`, which works in its threads.
    """

    def __init__(self, engine: AsyncEngine | str | URL, *, schema: str | None = None, require_tls: bool = True) -> None:
        """Takes what `SQLAlchemyStore` takes, with an `AsyncEngine` for an engine."""
        self._engine, self._is_own = async_engine_for(engine, require_tls=require_tls)
        self._postgres = Postgres.of(self._engine.dialect, schema)
        # The store's own is in it already.
        options: dict[str, Any] = {} if self._is_own else {"isolation_level": "AUTOCOMMIT"}
        self._requests = self._engine.execution_options(**options)
        self._inherited = Inherited(self._engine.sync_engine)
        self._is_open = False

    async def close(self) -> None:
        """Closes the connections of an engine that the store made; one that was given stays open."""
        if self._is_own:
            self._inherited.leave()
            await self._engine.dispose()

    async def __aenter__(self) -> AsyncSQLAlchemyStore:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _answer(self, kind: str, content: str) -> str:
        from sqlalchemy.exc import DBAPIError

        self._inherited.leave()
        if not self._is_open:
            await self._open()
            self._is_open = True
        asking = self._postgres.asking(kind, content)
        while True:
            async with self._requests.connect() as connection:
                try:
                    return asking.told((await connection.exec_driver_sql(asking.sql, asking.parameters)).scalar_one())
                except DBAPIError as error:
                    met = Met(error, getattr(error.orig, "sqlstate", None), is_lost=error.connection_invalidated)
                    if asking.is_spent(met):
                        await connection.invalidate()
                    if not asking.is_worth_another(met):
                        return asking.answer_to(met)

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
    def answer(self, kind: str, content: str) -> str:
        """The answer to a request, as `Answering` has it."""


def _backend_of(engine: Engine, schema: str | None, inherited: Inherited) -> _Backend:
    if engine.dialect.name != "sqlite":
        return _OnPostgres(engine, Postgres.of(engine.dialect, schema), inherited)
    if schema is not None:
        raise of_code("INVALID_ARGUMENT", "SQLite has no schemas: leave `schema` out")
    return _OnSQLite(engine)


class _OnPostgres:
    """Asks by the driver itself: what SQLAlchemy does around a statement is more than the rest of a request."""

    def __init__(self, engine: Engine, postgres: Postgres, inherited: Inherited) -> None:
        self._engine, self._postgres, self._inherited = engine, postgres, inherited
        self._open()

    def answer(self, kind: str, content: str) -> str:
        from psycopg import Error

        self._inherited.leave()
        asking = self._postgres.asking(kind, content)
        while True:
            pooled = self._engine.raw_connection()
            connection: Any = pooled.driver_connection
            try:
                with _in_autocommit(connection):
                    return asking.told(connection.execute(asking.sql, asking.parameters).fetchone()[0])
            except Error as error:
                met = Met(error, error.sqlstate, is_lost=connection.closed)
                if met.is_lost:
                    # What else the pool has may be gone too: so SQLAlchemy does after its own statements.
                    self._engine.pool._invalidate(pooled, error)
                elif asking.is_spent(met):
                    pooled.invalidate(error)
                if not asking.is_worth_another(met):
                    return asking.answer_to(met)
            except BaseException as error:
                # Such as Ctrl-C: nobody is to read what that one asked for.
                pooled.invalidate(error)
                raise
            finally:
                pooled.close()

    def _open(self) -> None:
        with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            if self._plan_opening(connection)["state"] == "current":
                return
        transactions = self._engine.execution_options(isolation_level="READ COMMITTED", no_parameters=True)
        with transactions.begin() as connection:
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


@contextmanager
def _in_autocommit(connection: Any) -> Iterator[None]:
    """One statement is one transaction. A connection of the store's own is always so.

    One that is closed, or in the middle of a statement, is not set back: nobody is to have it any more.
    """
    from psycopg.pq import TransactionStatus

    before = connection.autocommit
    if not before:
        connection.autocommit = True
    try:
        yield
    finally:
        if not before and connection.info.transaction_status == TransactionStatus.IDLE:
            connection.autocommit = before


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

    def answer(self, kind: str, content: str) -> str:
        with self._database() as database:
            return database.answer(kind, content)

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
