"""A database of an older version of the tables is brought up to date when it is opened, and every record stays."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strongroom import Keyring, Vault
from strongroom.errors import StrongroomError, UnsupportedError
from strongroom.stores import SQLiteStore

VERSION_1 = (Path(__file__).resolve().parents[2] / "tests" / "databases" / "version_1.sql").read_text(encoding="utf-8")
KEY = "x42iNYxSqIjBHy0fvZ7tUzsqHsvGK2tj6lqUSWJmNVo="
# A minute after the last that was written to it.
NOW = 1_795_346_080.0
INDEX = {
    "secrets": "SELECT namespace, name, rotation_due, expires_at FROM secrets ORDER BY 1, 2",
    "records": "SELECT kind, namespace, name, expires_at FROM strongroom_records ORDER BY 1, 2, 3",
    "fingerprints": "SELECT * FROM strongroom_fingerprints ORDER BY 1, 2, 3",
}


def rows(path: Path, sql: str, *given: Any) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        found = connection.execute(sql, given).fetchall()
        connection.commit()
        return found
    finally:
        connection.close()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file that version 1 wrote."""
    path = tmp_path / "vault.db"
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    connection.close()
    return path


@pytest.fixture(autouse=True)
def _that_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)


def index_of(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    return {table: rows(path, sql) for table, sql in INDEX.items()}


def kept(path: Path) -> list[list[tuple[Any, ...]]]:
    """Every column that version 1 had, of every row of every table."""
    scratch = sqlite3.connect(":memory:")
    scratch.executescript(VERSION_1)
    tables = scratch.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'strongroom_schema'")
    found = []
    for (table,) in tables.fetchall():
        columns = scratch.execute(f"SELECT group_concat('\"' || name || '\"') FROM pragma_table_info('{table}')")
        found.append(rows(path, f"SELECT {columns.fetchone()[0]} FROM {table} ORDER BY 1, 2"))
    scratch.close()
    return found


def test_every_record_stays_as_it_was(old: Path) -> None:
    before = kept(old)
    assert sum(map(len, before)) > 80
    SQLiteStore(old).close()
    assert kept(old) == before
    assert rows(old, "SELECT version FROM strongroom_schema") == [(2,)]
    assert rows(old, "PRAGMA integrity_check") == [("ok",)]
    assert rows(old, "PRAGMA foreign_key_check") == []
    assert [found.name for found in old.parent.iterdir()] == ["vault.db"]


def test_the_vault_goes_on_with_it(old: Path) -> None:
    with SQLiteStore(old) as store:
        vault = Vault(Keyring.parse(KEY), store)
        vault.verify_audit(actor="alice")
        assert vault.get("OLD_TEXT", actor="alice").reveal() == "value of OLD_TEXT"
        assert vault.verify("GRACE", "two", actor="alice").accepted
        vault.rotate("GRACE", "five", actor="alice")
        vault.delete("OFF", actor="alice")
        vault.verify_audit(actor="alice")


def test_what_lists_find_records_by_is_what_the_core_gives_when_it_puts_them_again(old: Path) -> None:
    SQLiteStore(old).close()
    upgraded = index_of(old)
    found = {name: (due, ends) for _, name, due, ends in upgraded["secrets"]}
    assert found["OLD_NEVER"] == found["OLD_ODD"] == ("1970-01-01T00:00:00.000Z", None)
    assert found["S_none"] == found["LATE"] == (None, None)
    assert found["OLD_TEXT"] == ("2025-08-31T05:06:07.000Z", None)
    assert found["ends"][1] is not None
    assert len(upgraded["fingerprints"]) > len([due for due, _ in found.values() if due]), "those in grace are missing"
    assert [ends for kind, *_, ends in upgraded["records"] if (kind == "pending") != (ends is not None)] == []

    # What is found by is gone first, and a new first key makes the core put every secret and open proposal again.
    rows(old, "UPDATE secrets SET rotation_due = 'x', expires_at = 'x' WHERE record_mac IS NOT NULL")
    rows(old, "UPDATE strongroom_records SET expires_at = 'x' WHERE kind = 'pending' AND data LIKE '%\"open\"%'")
    rows(old, "DELETE FROM strongroom_fingerprints")
    with SQLiteStore(old) as store:
        vault = Vault(Keyring.parse(f"{Keyring.generate().dangerous_export()},{KEY}"), store)
        vault.rekey(actor="alice")
    again = index_of(old)
    assert "x" not in {value for table in again.values() for row in table for value in row}
    # The history has grown by a stream of the row that the bot wrote.
    again["records"] = [row for row in again["records"] if row[0] == "pending"]
    upgraded["records"] = [row for row in upgraded["records"] if row[0] == "pending"]
    assert again == upgraded


def damaged(namespace: str, name: str, data: str, **columns: Any) -> tuple[str, list[Any]]:
    given = {"namespace": namespace, "name": name, "data": data, "record_mac": "ab" * 32, **columns}
    marks = ", ".join("?" * len(given))
    return f"INSERT INTO secrets ({', '.join(given)}) VALUES ({marks})", list(given.values())


def test_compromised_values_are_not_found_and_damaged_bodies_do_not_stand_in_the_way(old: Path) -> None:
    def version(number: int, *, compromised: bool) -> dict[str, Any]:
        return {"number": number, "fingerprint": f"{number}" * 64, "compromised": compromised}

    grace = [{"version": number, "valid_until": 1} for number in (1, 2, 9)]
    versions = [version(3, compromised=False), version(2, compromised=True), version(1, compromised=False)]
    body = {"compromised": True, "versions": versions, "grace": grace, "expires_at": 1_700_000_000_001}
    for sql, given in [
        damaged("x", "LEAKED", json.dumps(body), value_fingerprint="4" * 64, last_rotated="2025-01-01T00:00:00.001Z"),
        damaged("x", "CUT", '{"compromised":fal', value_fingerprint="5" * 64),
        damaged("x", "ODD", '{"versions": ["a", 1, null], "grace": [2], "sensitivity": 7, "expires_at": "soon"}'),
        damaged("x", "LIST", '[{"versions": []}]'),
        damaged("x", "BLOB", b"\xff\xfe", last_rotated=b"\xff"),  # type: ignore[arg-type]
        damaged("x", "FAR", '{"expires_at": 9007199254740991}', last_rotated="9999-12-31T00:00:00.000Z"),
        damaged("x", "UNADOPTED", json.dumps(body), value_fingerprint="4" * 64, record_mac=None),
    ]:
        rows(old, sql, *given)
    SQLiteStore(old).close()
    found = {name: (due, ends) for space, name, due, ends in index_of(old)["secrets"] if space == "x"}
    epoch = "1970-01-01T00:00:00.000Z"
    assert found == {
        "LEAKED": ("2025-06-30T00:00:00.001Z", "2023-11-14T22:13:20.001Z"),
        "FAR": ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        **dict.fromkeys(("CUT", "ODD", "LIST", "BLOB"), (epoch, None)),
        "UNADOPTED": (None, None),
    }
    prints = [row for row in index_of(old)["fingerprints"] if row[1] == "x"]
    assert prints == [("1" * 64, "x", "LEAKED"), ("5" * 64, "x", "CUT")]


@pytest.mark.parametrize(
    ("table", "column"), [("secrets", "expires_at"), ("secrets", "Rotation_Due"), ("secrets_audit", "rule")]
)
def test_a_column_that_another_program_has_under_a_new_name_is_not_taken_from_it(
    old: Path, table: str, column: str
) -> None:
    rows(old, f"ALTER TABLE {table} ADD COLUMN {column} TEXT DEFAULT 'theirs'")
    before = old.read_bytes()
    with pytest.raises(UnsupportedError, match=f"{table} has a column {column} of another program.*rename"):
        SQLiteStore(old)
    assert old.read_bytes() == before
    rows(old, f"ALTER TABLE {table} RENAME COLUMN {column} TO theirs")
    with SQLiteStore(old) as store:
        Vault(Keyring.parse(KEY), store).verify_audit(actor="alice")
    assert {value for (value,) in rows(old, f"SELECT theirs FROM {table} WHERE id < 4")} == {"theirs"}


@pytest.mark.parametrize("column", ["expires_at", "rotation_due"])
def test_a_bot_s_table_with_a_column_of_such_a_name_is_refused_until_it_is_renamed(tmp_path: Path, column: str) -> None:
    path = tmp_path / "bot.db"
    rows(path, f"CREATE TABLE secrets (id INTEGER PRIMARY KEY, name TEXT, value_encrypted TEXT, {column} TEXT)")
    rows(path, "INSERT INTO secrets VALUES (1, 'A', 'x', 'tomorrow')")
    before = path.read_bytes()
    with pytest.raises(UnsupportedError, match=f"column {column}, a name that the vault needs.*rename"):
        SQLiteStore(path)
    assert path.read_bytes() == before
    rows(path, f"ALTER TABLE secrets RENAME COLUMN {column} TO theirs")
    SQLiteStore(path).close()
    assert rows(path, f"SELECT theirs, {column} FROM secrets") == [("tomorrow", None)]


def test_a_newer_version_is_refused_and_left_alone(old: Path) -> None:
    rows(old, "UPDATE strongroom_schema SET version = 3")
    before = old.read_bytes()
    with pytest.raises(UnsupportedError, match="newer"):
        SQLiteStore(old)
    assert old.read_bytes() == before


OPENING = """
import sys
from strongroom import Keyring, Vault
from strongroom.stores import SQLiteStore
sys.stdin.readline()
with SQLiteStore(sys.argv[1]) as store:
    Vault(Keyring.parse(sys.argv[2]), store).set("A" + sys.argv[3], "x" * 20, actor="a")
"""


def test_processes_that_open_it_at_once_all_succeed(old: Path) -> None:
    command = [sys.executable, "-c", OPENING, str(old), KEY]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([*command, str(number)], **pipes) for number in range(5)]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[1] for process in running] == [""] * 5
    with SQLiteStore(old) as store:
        Vault(Keyring.parse(KEY), store).verify_audit(actor="a")
    assert rows(old, "SELECT version FROM strongroom_schema") == [(2,)]


def failing(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TRIGGER full BEFORE UPDATE ON secrets BEGIN SELECT raise(ABORT, 'disk full'); END")


def blocking(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE strongroom_fingerprints (x)")


@pytest.mark.parametrize("obstacle", [failing, blocking])
def test_an_upgrade_that_fails_half_way_is_taken_back(
    old: Path, obstacle: Callable[[sqlite3.Connection], None]
) -> None:
    connection = sqlite3.connect(old)
    obstacle(connection)
    connection.commit()
    connection.close()
    schema = "SELECT * FROM sqlite_master ORDER BY name"
    before = kept(old), rows(old, schema)
    with pytest.raises((sqlite3.Error, StrongroomError)):
        SQLiteStore(old)
    assert (kept(old), rows(old, schema)) == before
    assert rows(old, "SELECT version FROM strongroom_schema") == [(1,)]


def test_it_has_the_tables_and_indexes_of_a_fresh_one(old: Path, tmp_path: Path) -> None:
    def shape(path: Path) -> tuple[Any, Any]:
        ours = "name LIKE 'strongroom%' OR name LIKE 'secrets%'"
        objects = rows(path, f"SELECT type, name FROM sqlite_master WHERE {ours} ORDER BY name")
        tables = ("secrets", "secrets_audit", "strongroom_records", "strongroom_fingerprints")
        columns = {
            table: rows(path, f"SELECT name, type, \"notnull\", pk FROM pragma_table_info('{table}')")
            for table in tables
        }
        theirs = {"team", "owner_id"}
        return [each for each in objects if each[1] != "secrets_by_team"], {
            table: sorted(each for each in of if each[0] not in theirs) for table, of in columns.items()
        }

    SQLiteStore(old).close()
    fresh = tmp_path / "fresh.db"
    SQLiteStore(fresh).close()
    upgraded, made = shape(old), shape(fresh)
    assert [each for each in upgraded[0] if each[0] != "trigger"] == made[0]
    assert upgraded[1] == made[1]
