"""The store by SQLAlchemy, over PostgreSQL and SQLite: the behaviour of every store, the kit, and how it is opened."""

from __future__ import annotations

import asyncio
import gc
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool, SingletonThreadPool

from behaviour import StoreBehaviour, key, loaded, put_new
from cluster import Cluster
from strongroom import Keyring, Vault, aio
from strongroom.errors import InvalidArgumentError, UnsupportedError
from strongroom.stores import AsyncSQLAlchemyStore, CommitAnswer, SQLAlchemyStore, SQLiteStore, Store
from strongroom.testing import check_store, check_store_async

ALL_CHECKS = 15


def fresh() -> str:
    """The name of a schema that is not there."""
    return f"t_{secrets.token_hex(6)}"


@pytest.fixture(scope="module")
def engine(cluster: Cluster) -> Iterator[Engine]:
    engine = create_engine(cluster.url(scheme="postgresql+psycopg"))
    yield engine
    engine.dispose()


class InLoop:
    """An asynchronous store to be called as a synchronous one, from any thread; its loop is one of its own."""

    def __init__(self, store: AsyncSQLAlchemyStore) -> None:
        self._store, self._loop = store, asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def load(self, keys: Any, /) -> list[dict[str, Any]]:
        return self._do(self._store.load(keys))  # type: ignore[no-any-return]

    def list(self, query: Any, cursor: Any, /) -> dict[str, Any]:
        return self._do(self._store.list(query, cursor))  # type: ignore[no-any-return]

    def commit(self, change_set: Any, /) -> CommitAnswer:
        return self._do(self._store.commit(change_set))  # type: ignore[no-any-return]

    def events(self, query: Any, cursor: Any, /) -> dict[str, Any]:
        return self._do(self._store.events(query, cursor))  # type: ignore[no-any-return]

    def close(self) -> None:
        self._do(self._store.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


class TestPostgres(StoreBehaviour):
    @pytest.fixture
    def store(self, engine: Engine) -> Store:
        return SQLAlchemyStore(engine, schema=fresh())


class TestPostgresAsync(StoreBehaviour):
    @pytest.fixture
    def store(self, cluster: Cluster) -> Iterator[Store]:
        store = InLoop(AsyncSQLAlchemyStore(cluster.url(), schema=fresh()))
        yield store
        store.close()


class TestPostgresAsyncpg(StoreBehaviour):
    @pytest.fixture
    def store(self, cluster: Cluster) -> Iterator[Store]:
        store = InLoop(AsyncSQLAlchemyStore(cluster.url(scheme="postgresql+asyncpg"), schema=fresh()))
        yield store
        store.close()


class TestSQLiteFile(StoreBehaviour):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with SQLAlchemyStore(f"sqlite:///{tmp_path}/vault.db") as store:
            yield store


class TestSQLiteMemory(StoreBehaviour):
    @pytest.fixture
    def store(self) -> Iterator[Store]:
        with SQLAlchemyStore("sqlite://") as store:
            yield store


def test_the_kit_finds_nothing_wrong(engine: Engine, tmp_path: Path) -> None:
    assert len(check_store(SQLAlchemyStore(engine, schema=fresh()))) == ALL_CHECKS
    with SQLAlchemyStore(f"sqlite:///{tmp_path}/vault.db") as store:
        assert len(check_store(store)) == ALL_CHECKS


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+asyncpg"])
def test_the_kit_finds_nothing_wrong_with_the_asynchronous_store(cluster: Cluster, scheme: str) -> None:
    async def check() -> list[str]:
        async with AsyncSQLAlchemyStore(cluster.url(scheme=scheme), schema=fresh()) as store:
            return await check_store_async(store)

    assert len(asyncio.run(check())) == ALL_CHECKS


def test_vaults_of_both_kinds_share_a_database(cluster: Cluster, engine: Engine, keyring: Keyring) -> None:
    schema = fresh()
    Vault(keyring, SQLAlchemyStore(engine, schema=schema)).set("A", "sk_test_abc123", actor="alice")

    async def read() -> str:
        store = AsyncSQLAlchemyStore(
            create_async_engine(cluster.url(scheme="postgresql+psycopg"), poolclass=NullPool), schema=schema
        )
        vault = aio.Vault(keyring, store)
        return (await vault.get("A", actor="bob")).reveal()

    # An engine without a pool serves one event loop after another.
    assert [asyncio.run(read()) for _ in range(2)] == ["sk_test_abc123"] * 2
    vault = Vault(keyring, SQLAlchemyStore(engine, schema=schema))
    assert vault.list(actor="alice")[0].accessed_count == 2
    vault.verify_audit(actor="alice")


# psycopg lets go, unclosed, of a connection whose task was cancelled while it was being made.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+asyncpg"])
def test_a_task_that_is_cancelled_leaves_its_change_whole_or_not_made(
    cluster: Cluster, keyring: Keyring, scheme: str
) -> None:
    async def run() -> None:
        async with AsyncSQLAlchemyStore(cluster.url(scheme=scheme), schema=fresh()) as store:
            vault = aio.Vault(keyring, store)
            await vault.set("A", "value-of-before", actor="alice")
            cancelled = 0
            for turn in range(20):
                task = asyncio.ensure_future(vault.set("A", f"value-{turn:09}", actor="alice"))
                await asyncio.sleep(turn * 0.005)
                task.cancel()
                cancelled += isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
            assert cancelled > 0
            await vault.set("A", "value-of-after", actor="alice")
            assert (await vault.get("A", actor="alice")).reveal() == "value-of-after"
            await vault.verify_audit(actor="alice")

    asyncio.run(run())
    gc.collect()


def test_a_file_is_that_of_the_sqlite_store(tmp_path: Path, keyring: Keyring) -> None:
    with SQLiteStore(tmp_path / "vault.db") as store:
        Vault(keyring, store).set("A", "sk_test_abc123", actor="alice")
    with SQLAlchemyStore(f"sqlite:///{tmp_path}/vault.db") as other:
        assert Vault(keyring, other).get("A", actor="alice").reveal() == "sk_test_abc123"


def test_a_bot_s_file_is_adopted(tmp_path: Path, keyring: Keyring) -> None:
    given = create_engine(f"sqlite:///{tmp_path}/bot.db")
    with given.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE secrets (id INTEGER PRIMARY KEY, name TEXT, value_encrypted TEXT)")
        connection.exec_driver_sql("INSERT INTO secrets (name, value_encrypted) VALUES ('A', 'x')")
    assert [found["key"]["name"] for found in loaded(SQLAlchemyStore(given), key("A"))] == ["A"]
    assert (tmp_path / "bot.db.before-strongroom").exists()
    # It is an engine like any other afterwards: what it does is taken back when it says so.
    with given.connect() as connection:
        connection.exec_driver_sql("DELETE FROM secrets")
        connection.rollback()
        assert connection.exec_driver_sql("SELECT count(*) FROM secrets").scalar_one() == 1
    given.dispose()


def test_what_is_no_database_of_a_vault_is_refused(tmp_path: Path) -> None:
    for url in ("mysql://user:hunter2@host/db", "postgresql+psycopg2://user:hunter2@localhost/db"):
        for open_ in (SQLAlchemyStore, AsyncSQLAlchemyStore):
            with pytest.raises(UnsupportedError) as caught:
                open_(url)
            assert "hunter2" not in str(caught.value)
    with pytest.raises(UnsupportedError, match="SQLAlchemyStore"):
        AsyncSQLAlchemyStore("sqlite+aiosqlite://")
    with pytest.raises(InvalidArgumentError) as refused:
        SQLAlchemyStore("user:hunter2@host")
    assert "hunter2" not in str(refused.value)
    with pytest.raises(InvalidArgumentError, match="schema"):
        SQLAlchemyStore("sqlite://", schema="app")
    threads = create_engine("sqlite://", poolclass=SingletonThreadPool)
    with pytest.raises(UnsupportedError, match="StaticPool"):
        SQLAlchemyStore(threads)
    threads.dispose()


def test_without_sqlalchemy_the_package_is_whole_and_the_store_says_what_is_missing() -> None:
    program = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "import strongroom, strongroom.stores as stores\n"
        "assert stores.MemoryStore() and stores.SQLiteStore(':memory:')\n"
        "for store in (stores.SQLAlchemyStore, stores.AsyncSQLAlchemyStore):\n"
        "    try: store('sqlite://')\n"
        "    except strongroom.StrongroomError as error: print(error.code, 'strongroom[sqlalchemy]' in str(error))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ["UNSUPPORTED True"] * 2


def test_a_given_engine_keeps_its_own_ways_and_stays_open(engine: Engine) -> None:
    with SQLAlchemyStore(engine, schema=fresh()) as store:
        put_new(store, key("A"))
    with engine.connect() as connection:
        assert connection.get_isolation_level() == "READ COMMITTED"
        connection.exec_driver_sql("CREATE TEMP TABLE kept (x int)")
        connection.rollback()
        assert connection.exec_driver_sql("SELECT to_regclass('kept')").scalar_one() is None
