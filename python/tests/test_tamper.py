"""Tampering with the tables by SQL: every column of every row, rows taken away, doubled and swapped.

Each alteration is made on a copy of one vault that has seen some life. Then everything that reads is tried. What the
vault wrote is refused when it was altered, and no value is ever told that is not the secret's own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from old_bot import encrypt
from strongroom import Actor, Keyring, StrongroomError, Vault
from strongroom.stores import SQLiteStore

MATERIAL = bytes(range(32))
KEYRING = Keyring.parse(MATERIAL.hex())
TABLES = ("secrets", "secrets_audit", "strongroom_records")

# What no MAC covers: the tables' own ids, and counters.
FREE = {
    # By the last two lists find it, and nothing that they find is believed.
    "secrets": {"id", "accessed_count", "last_accessed", "rotation_due", "expires_at"},
    "secrets_audit": {"id", "secret_id"},
    "strongroom_records": {"expires_at"},
}


class Life:
    """A vault that has seen some life, and what is true of it."""

    def __init__(self, path: Path) -> None:
        self.values: dict[tuple[str, str], str] = {}
        self.database = sqlite3.connect(":memory:", isolation_level=None)
        old = "CREATE TABLE secrets (id INTEGER PRIMARY KEY, name TEXT, value_encrypted TEXT, created_at DATETIME);" + (
            "CREATE TABLE secrets_audit (id INTEGER PRIMARY KEY, secret_name TEXT, action TEXT, user_id TEXT);"
        )
        bot = sqlite3.connect(path, isolation_level=None)
        bot.executescript(old)
        bot.execute("INSERT INTO secrets (name, value_encrypted) VALUES ('OLD', ?)", [encrypt(MATERIAL, b"legacy")])
        bot.executemany("INSERT INTO secrets_audit VALUES (?, ?, ?, 'bob')", [(1, "OLD", "set"), (2, "OLD", "get")])
        bot.close()
        with SQLiteStore(path) as store:
            self._live(Vault(KEYRING, store))
            store._connection.backup(self.database)

    def _live(self, vault: Vault) -> None:
        self.values["default", "OLD"] = "legacy"
        for name, space, values in (
            ("A", "default", ["one", "two", "three"]),
            ("B", "default", ["b"]),
            ("A", "nexus", ["n"]),
        ):
            for value in values:
                vault.set(name, value, actor=Actor("alice", platform="telegram"), namespace=space)
            self.values[space, name] = values[-1]
        vault.set("GONE", "gone", actor="alice")
        vault.get("GONE", actor="alice")
        vault.delete("GONE", actor="alice")
        for space, name in [*self.values, ("default", "A")]:
            vault.get(name, actor="bob", namespace=space)
        with pytest.raises(StrongroomError):
            vault.get("MISSING", actor="bob")
        self.open_proposal = vault.propose("rotate", "A", "four", actor="alice").id
        self.done_proposal = vault.propose("set", "B", "b", actor="alice").id
        vault.confirm(self.done_proposal, actor="alice")
        vault.verify_audit(actor="alice")

    def rows(self, table: str) -> list[sqlite3.Row]:
        cursor = self.database.cursor()
        cursor.row_factory = sqlite3.Row
        key = "kind, namespace, name" if table == "strongroom_records" else "id"
        return cursor.execute(f"SELECT * FROM {table} ORDER BY {key}").fetchall()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some alterations make every commit a conflict, which is waited out."""
    monkeypatch.setattr("strongroom._driver.time.sleep", lambda seconds: None)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    life = Life(tmp_path_factory.mktemp("life") / "vault.db")
    yield life
    life.database.close()


class Tampered:
    """A copy to alter, and what became of everything that reads it."""

    def __init__(self, life: Life, alter: Callable[[sqlite3.Connection], object], *, only_audit: bool = False) -> None:
        self.codes: dict[str, str] = {}
        with SQLiteStore(":memory:") as store:
            life.database.backup(store._connection)
            alter(store._connection)
            vault = Vault(KEYRING, store)
            self._try("verify_audit", lambda: vault.verify_audit(actor="judge"))
            if only_audit:
                return
            self._try("list", lambda: vault.list(actor="judge"))
            self._try("census", lambda: vault.census(actor="judge"))
            self._try("audit", lambda: vault.audit(actor="judge", limit=1000))
            for space, name in life.values:
                self._try(f"get {space} {name}", self._getting(vault, space, name, life.values[space, name]))
            self._try("repeat", lambda: vault.confirm(life.done_proposal, actor="alice"))
            self._try("confirm", lambda: vault.confirm(life.open_proposal, actor="alice"))

    def _getting(self, vault: Vault, space: str, name: str, value: str) -> Callable[[], None]:
        def get() -> None:
            # INVARIANT of it all: another value is never told.
            assert vault.get(name, actor="judge", namespace=space).reveal() == value

        return get

    def _try(self, what: str, call: Callable[[], object]) -> None:
        try:
            call()
        except StrongroomError as error:
            self.codes[what] = error.code


def altered(value: Any, others: list[Any]) -> list[Any]:
    """Other values for a column: none, an empty one, a small change, a great one, and another row's."""
    changed: list[Any] = [None, ""]
    if isinstance(value, str):
        changed += [value.swapcase(), value[:-2] + ("A" if value[-2:-1] != "A" else "B") + value[-1:]]
    if isinstance(value, int):
        changed += [value + 1, value + 2**32]
    changed += others
    return [each for index, each in enumerate(changed) if each != value and each not in changed[:index]]


def where(table: str, row: sqlite3.Row) -> tuple[str, list[Any]]:
    keys = ("kind", "namespace", "name") if table == "strongroom_records" else ("id",)
    return " AND ".join(f"{key} = ?" for key in keys), [row[key] for key in keys]


def alterations(life: Life, table: str) -> Iterator[tuple[sqlite3.Row, str, Any]]:
    rows = life.rows(table)
    for row in rows:
        for column in row.keys():  # noqa: SIM118  # of a sqlite3.Row
            others = [other[column] for other in rows]
            for value in altered(row[column], others[-1:]):
                yield row, column, value


def apply(life: Life, table: str, row: sqlite3.Row, column: str, value: Any) -> Tampered | None:
    condition, keys = where(table, row)
    stored = True
    # To the vault, a time that cannot be read is none, and a success is one or none.
    reads_as_none = {"success": (None, "", 7)}.get(column, (None, "") if column.endswith(("_at", "_rotated")) else ())
    if row[column] is None and value in reads_as_none:
        return None

    def alter(connection: sqlite3.Connection) -> None:
        nonlocal stored
        try:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {condition}", [value, *keys])
        except sqlite3.IntegrityError:
            stored = False
            return
        count = f"SELECT count(*) FROM {table} WHERE {condition} AND {column} IS ?"
        [now] = connection.execute(count, [*keys, row[column]]).fetchone()
        stored = now == 0

    # Nothing but the audit believes what is in the history; a column that it does not mind is tried with everything.
    tampered = Tampered(life, alter, only_audit=table == "secrets_audit" and column not in FREE[table])
    return tampered if stored else None


def test_the_copy_itself_is_in_order(life: Life) -> None:
    assert Tampered(life, lambda _: None).codes == {}
    assert len(life.rows("secrets")) == 4
    assert len(life.rows("secrets_audit")) > 20
    kinds = [row["kind"] for row in life.rows("strongroom_records")]
    assert {kind: kinds.count(kind) for kind in kinds} == {"head": 1, "ring": 1, "pending": 2, "stream": 6}


def unexplained(life: Life, table: str, row: sqlite3.Row, column: str, value: Any, codes: dict[str, str]) -> str | None:
    """What is wrong with the outcome of an alteration; `None` when it is as it must be."""
    if column in FREE[table]:
        if column == "id" and row["stream" if table == "secrets_audit" else "uid"] is None:
            return None  # The old rows are digested in their order.
        return f"an alteration that nobody minds was refused: {codes}" if codes else None
    if table == "secrets":
        slot = f"get {row['namespace']} {row['name']}"
        if column in ("name", "namespace"):
            # The row has left its slot, and is found where it went.
            wanted = {slot: "SECRET_NOT_FOUND"} | ({"list": "RECORD_TAMPERED"} if value not in (None, "") else {})
            wanted |= {slot: codes.get(slot, "")} if codes.get(slot) == "RECORD_TAMPERED" else {}
        else:
            wanted = {slot: "RECORD_TAMPERED", "list": "RECORD_TAMPERED", "census": "RECORD_TAMPERED"}
        missed = {what: code for what, code in wanted.items() if codes.get(what) != code}
        return f"wanted {missed}, got {codes}" if missed else None
    if table == "secrets_audit":
        return None if codes.get("verify_audit") == "AUDIT_TAMPERED" else f"verify_audit did not find it: {codes}"
    if row["kind"] == "head":
        everything = {"verify_audit", "list", "census", "audit", "confirm", "repeat"}
        return None if everything <= codes.keys() else f"something was done without a head: {codes}"
    if row["kind"] == "stream":
        found = codes.get("verify_audit")
        if row["name"] == "GONE" and column in ("kind", "namespace", "name"):
            return None  # The end of a deleted secret's stream is in the event of its deletion.
        return None if found in ("RECORD_TAMPERED", "AUDIT_TAMPERED") else f"verify_audit did not find it: {codes}"
    refused = codes.keys() & {"confirm", "repeat"}
    return None if refused else f"an altered proposal was taken: {codes}"


@pytest.mark.parametrize("table", TABLES)
def test_every_column_of_every_row_is_guarded(life: Life, table: str) -> None:
    tried, faults = 0, []
    for row, column, value in alterations(life, table):
        tampered = apply(life, table, row, column, value)
        if tampered is None:
            continue
        tried += 1
        fault = unexplained(life, table, row, column, value, tampered.codes)
        if fault is not None:
            faults.append(f"{table}.{column} of row {row[0]} {row[1]}: {row[column]!r} -> {value!r}: {fault}")
    assert faults == [], "\n".join(faults[:20])
    assert tried > {"secrets": 200, "secrets_audit": 1200, "strongroom_records": 200}[table]


def test_rows_taken_away_are_missed(life: Life) -> None:
    for row in life.rows("secrets_audit"):
        tampered = Tampered(life, lambda c, row=row: c.execute("DELETE FROM secrets_audit WHERE id = ?", [row["id"]]))  # type: ignore[misc]
        assert tampered.codes.get("verify_audit") == "AUDIT_TAMPERED", dict(row)
    for row in life.rows("strongroom_records"):
        condition, keys = where("strongroom_records", row)
        sql = f"DELETE FROM strongroom_records WHERE {condition}"
        codes = Tampered(life, lambda c, sql=sql, keys=keys: c.execute(sql, keys)).codes  # type: ignore[misc]
        expected = {
            "head": {"VAULT_HEAD_MISSING"},
            "stream": {"AUDIT_TAMPERED"},
            "pending": {"CONFIRMATION_NOT_FOUND"},
            "ring": {"RECORD_TAMPERED"},
        }[row["kind"]]
        # The head of a deleted secret's stream is explained by its deletion.
        assert set(codes.values()) & expected or row["name"] == "GONE", (dict(row), codes)


def test_an_event_that_is_doubled_moved_or_swapped_is_found(life: Life) -> None:
    columns = [name for name in life.rows("secrets_audit")[0].keys() if name != "id"]  # noqa: SIM118
    chained = [row for row in life.rows("secrets_audit") if row["stream"] is not None]
    copied = ", ".join(name for name in columns if name not in ("seq", "stream"))
    into = f"INSERT INTO secrets_audit (stream, seq, {copied}) SELECT ?, ?, {copied} FROM secrets_audit WHERE id = ?"
    for row in chained:
        for stream, seq in (
            (row["stream"], 999),
            (row["stream"], 0),
            ("other", 1),
            (row["stream"], None),
            (None, None),
        ):
            tampered = Tampered(life, lambda c, at=(stream, seq, row["id"]): c.execute(into, at))  # type: ignore[misc]
            assert tampered.codes.get("verify_audit") == "AUDIT_TAMPERED", (stream, seq, dict(row))
    for one, other in pairwise(chained):
        swap = "UPDATE secrets_audit SET {0} = CASE id WHEN :a THEN :y ELSE :x END WHERE id IN (:a, :b)"
        swapped = [name for name in columns if one[name] != other[name] and name not in ("stream", "seq", "secret_id")]

        def alter(c: sqlite3.Connection, one: Any = one, other: Any = other, swapped: list[str] = swapped) -> None:
            for name in swapped:
                c.execute(swap.format(name), {"a": one["id"], "b": other["id"], "x": one[name], "y": other[name]})  # noqa: B023

        assert Tampered(life, alter).codes.get("verify_audit") == "AUDIT_TAMPERED"


@pytest.mark.parametrize("tail", range(1, 6))
def test_a_history_that_is_cut_short_is_found(life: Life, tail: int) -> None:
    def alter(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM secrets_audit WHERE id > (SELECT max(id) - ? FROM secrets_audit)", [tail])

    assert Tampered(life, alter).codes["verify_audit"] == "AUDIT_TAMPERED"


def test_a_secret_s_whole_row_in_another_slot_is_refused(life: Life) -> None:
    columns = [name for name in life.rows("secrets")[0].keys() if name not in ("id", "name", "namespace", "uid")]  # noqa: SIM118
    assignments = ", ".join(f"{name} = (SELECT {name} FROM secrets WHERE id = :from)" for name in columns)
    rows = life.rows("secrets")
    for source in rows:
        for target in rows:
            if source["id"] != target["id"]:
                sql = f"UPDATE secrets SET {assignments} WHERE id = :to"
                at = {"from": source["id"], "to": target["id"]}
                codes = Tampered(life, lambda c, sql=sql, at=at: c.execute(sql, at)).codes  # type: ignore[misc]
                assert codes[f"get {target['namespace']} {target['name']}"] == "RECORD_TAMPERED"


def test_a_stripped_row_is_not_taken_for_an_old_one(life: Life) -> None:
    strip = "UPDATE secrets SET revision = 0, record_mac = NULL, uid = NULL, value_encrypted = ? WHERE name = 'B'"
    planted = encrypt(MATERIAL, b"planted")
    codes = Tampered(life, lambda c: c.execute(strip, [planted])).codes
    assert codes["get default B"] == "RECORD_TAMPERED"


def test_a_stripped_store_is_not_taken_for_a_new_one(life: Life) -> None:
    for sql in (
        "DELETE FROM strongroom_records",
        "DELETE FROM strongroom_records; UPDATE secrets SET revision = 0, record_mac = NULL",
        "DELETE FROM strongroom_records; DELETE FROM secrets",
        "DELETE FROM strongroom_records; DELETE FROM secrets_audit",
    ):
        codes = Tampered(life, lambda c, sql=sql: c.executescript(sql)).codes  # type: ignore[misc]
        assert set(codes.values()) <= {"VAULT_HEAD_MISSING", "RECORD_TAMPERED"}, sql
        assert len(codes) == 10, sql


def test_a_value_of_another_type_is_an_error_and_not_a_crash(life: Life) -> None:
    for table in TABLES:
        for column in life.rows(table)[0].keys():  # noqa: SIM118
            for value in (7, b"\xff\xfe", 1e308, -(2**63), 2**63 - 1, "x" * 100_000):
                sql = f"UPDATE OR IGNORE {table} SET {column} = ?"
                try:
                    Tampered(life, lambda c, sql=sql, value=value: c.execute(sql, [value]))  # type: ignore[misc]
                except sqlite3.IntegrityError:
                    continue
