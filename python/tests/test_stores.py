"""The behaviour suite on every store of the package, and what a SQLite file does besides."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from behaviour import (
    StoreBehaviour,
    append,
    commit,
    event,
    key,
    listed,
    loaded,
    places,
    put_new,
    record,
    revision,
    told,
)
from strongroom import Keyring, Vault
from strongroom.errors import InvalidArgumentError, StrongroomError, UnsupportedError
from strongroom.stores import CommitAnswer, MemoryStore, SQLAlchemyStore, SQLiteStore, Store
from strongroom.stores._answering import Answering


class TestMemoryStore(StoreBehaviour):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


class TestSQLiteFile(StoreBehaviour):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with SQLiteStore(tmp_path / "vault.db") as store:
            yield store


class TestSQLiteMemory(StoreBehaviour):
    @pytest.fixture
    def store(self) -> Iterator[Store]:
        with SQLiteStore(":memory:") as store:
            yield store


@pytest.mark.parametrize("store", [MemoryStore(), SQLiteStore(":memory:")], ids=["memory", "sqlite"])
def test_a_request_in_another_shape_is_an_error_that_repeats_nothing(store: Store) -> None:
    for call in (
        lambda: store.load([{"kind": "canary-kind", "namespace": "", "name": ""}]),
        lambda: store.commit({"operation_id": "canary"}),
        lambda: store.list({"kind": "secret", "limit": "canary"}, None),
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            call()
        assert "canary" not in str(caught.value)


def test_a_file_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    with SQLiteStore(path) as store:
        put_new(store, key("A"))
        append(store, event("vault", 1))
    with SQLiteStore(path) as store:
        assert len(loaded(store, key("A"))) == 1
        assert places(told(store, "chained")) == [("vault", 1)]


def test_two_connections_see_each_other_s_commits(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "vault.db") as one, SQLiteStore(str(tmp_path / "vault.db")) as other:
        put_new(one, key("A"))
        assert commit(other, puts=[(record(key("A"), 2), revision(1))]) == "committed"
        assert commit(one, puts=[(record(key("A"), 2), revision(1))]) == "conflict"


def test_a_fresh_file_is_in_wal_mode_and_its_own_pragmas_are_kept(tmp_path: Path) -> None:
    SQLiteStore(tmp_path / "vault.db").close()
    with sqlite3.connect(tmp_path / "vault.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_writer_who_holds_the_file_too_long_is_an_error_of_sqlite_and_nothing_is_applied(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "vault.db", busy_timeout=0.05) as store:
        holder = sqlite3.connect(tmp_path / "vault.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            put_new(store, key("A"))
        holder.execute("ROLLBACK")
        holder.close()
        assert listed(store) == [[]]
        put_new(store, key("A"))


def test_a_commit_that_sqlite_refuses_half_way_is_taken_back(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "vault.db") as store:
        with sqlite3.connect(tmp_path / "vault.db") as other:
            other.execute(
                "CREATE TRIGGER full BEFORE INSERT ON secrets_audit BEGIN SELECT raise(ABORT, 'disk full'); END"
            )
        other.close()
        with pytest.raises(sqlite3.IntegrityError, match="disk full"):
            commit(store, puts=[(record(key("A")), "absent")], events=[event()])
        assert listed(store) == [[]]


def test_a_closed_store_says_so() -> None:
    store = SQLiteStore(":memory:")
    store.close()
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        loaded(store, key("A"))


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE secrets (key TEXT, value TEXT)",
        "CREATE TABLE secrets (id TEXT PRIMARY KEY, name TEXT, value_encrypted TEXT)",
        "CREATE TABLE secrets_audit (line TEXT)",
        "CREATE TABLE secrets (name TEXT, value_encrypted TEXT, n TEXT GENERATED ALWAYS AS (lower(name)))",
        "CREATE TABLE strongroom_schema (version INTEGER); INSERT INTO strongroom_schema VALUES (3)",
    ],
)
def test_tables_of_another_program_are_refused_and_left_alone(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(sql)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(UnsupportedError):
        SQLiteStore(path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["other.db"]


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but dear to somebody\n" * 40)
    before = path.read_bytes()
    with pytest.raises(sqlite3.DatabaseError):
        SQLiteStore(path)
    assert path.read_bytes() == before


def test_processes_that_open_a_fresh_file_at_once_all_succeed(tmp_path: Path) -> None:
    program = (
        "import sys; from strongroom import Keyring, Vault; from strongroom.stores import SQLiteStore\n"
        "sys.stdin.readline()\n"
        "with SQLiteStore(sys.argv[1]) as store:\n"
        "    Vault(Keyring.parse(sys.argv[2]), store).set('A' + sys.argv[3], 'x' * 20, actor='a')\n"
    )
    key_text = Keyring.generate().dangerous_export()
    for round_ in range(3):
        path = tmp_path / f"fresh{round_}.db"
        commands = [[sys.executable, "-c", program, str(path), key_text, str(index)] for index in range(6)]
        pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        running = [subprocess.Popen(command, **pipes) for command in commands]  # type: ignore[call-overload]
        for process in running:
            process.stdin.write("\n")
            process.stdin.flush()
        assert [process.communicate(timeout=60)[1] for process in running] == [""] * 6
        with SQLiteStore(path) as store:
            vault = Vault(Keyring.parse(key_text), store)
            assert len(vault.list(actor="a")) == 6
            vault.verify_audit(actor="a")


def test_the_file_of_a_vault_is_its_owner_s_to_protect_and_its_copy_keeps_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "bot.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE secrets (id INTEGER PRIMARY KEY, name TEXT, value_encrypted TEXT)")
    connection.close()
    path.chmod(0o600)
    SQLiteStore(path).close()
    copy = tmp_path / "bot.db.before-strongroom"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(found.name for found in tmp_path.iterdir() if "strongroom" in found.name) == [copy.name]


def test_what_a_store_raises_is_no_strongroom_error_of_its_own() -> None:
    store = SQLiteStore(":memory:")
    store.close()
    vault = Vault(Keyring.generate(), store)
    with pytest.raises(StrongroomError) as caught:
        vault.get("A", actor="alice")
    assert isinstance(caught.value.__cause__, sqlite3.ProgrammingError)


CALLBACKS = ("load", "list", "commit", "events")


def use(vault: Vault) -> None:
    vault.set("A", "sk_test_abc123", actor="alice")
    vault.get("A", actor="alice")
    vault.list(actor="alice")
    vault.audit("A", actor="alice")


class Replaced(MemoryStore):
    """Its callbacks are somebody's own."""

    def __init__(self) -> None:
        super().__init__()
        self.called: list[str] = []

    def commit(self, change_set: dict[str, Any], /) -> CommitAnswer:
        self.called.append("commit")
        return super().commit(change_set)

    def load(self, keys: list[dict[str, Any]], /) -> list[dict[str, Any]]:
        self.called.append("load")
        return super().load(keys)


def test_the_package_s_stores_are_asked_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for store in (MemoryStore(), SQLiteStore(":memory:"), SQLAlchemyStore("sqlite://")):
        answer = type(store)._answer

        def noted(self: Any, kind: str, content: str, answer: Any = answer) -> str:
            asked.append(kind)
            text: str = answer(self, kind, content)
            return text

        with monkeypatch.context() as patched:
            patched.setattr(type(store), "_answer", noted)
            patched.setattr(Answering, "_told", pytest.fail)
            use(Vault(Keyring.generate(), store))
        assert set(asked) == {*CALLBACKS}
        asked.clear()


def test_a_callback_in_place_of_the_package_s_is_called() -> None:
    replaced = Replaced()
    use(Vault(Keyring.generate(), replaced))
    assert set(replaced.called) == {"load", "commit"}
    with SQLiteStore(":memory:") as store:
        called: list[str] = []
        before = store.commit

        def commit(change_set: dict[str, Any], /) -> CommitAnswer:
            called.append("commit")
            return before(change_set)

        store.commit = commit  # type: ignore[method-assign]
        use(Vault(Keyring.generate(), store))
        assert called
