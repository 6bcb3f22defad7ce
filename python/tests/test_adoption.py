"""A bot's own database, with years in it, becomes a vault. Not a row is lost, and nothing is done by halves.

Node's tests go into the depth of it; these show that Python does the same.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from old_bot import AWKWARD_NAMES, OldBot, encrypt
from strongroom import Keyring, Vault
from strongroom.errors import AuditTamperedError, NotAuthenticError, RecordTamperedError, TokenMalformedError
from strongroom.stores import SQLiteStore

ROWS = 1000
ALL = "SELECT id, name, value_encrypted, encryption_key_id, created_by, team, owner_id FROM secrets ORDER BY id"
AUDIT = "SELECT id, secret_id, secret_name, action, user_id, platform, success FROM secrets_audit {} ORDER BY id"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> OldBot:
    return OldBot(tmp_path_factory.mktemp("bot") / "bot.db").create(ROWS)


@pytest.fixture
def bot(filled: OldBot, tmp_path: Path) -> OldBot:
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{filled.path}{suffix}", tmp_path / f"bot.db{suffix}")
    return OldBot(tmp_path / "bot.db", filled.material, filled.values, filled.audit_rows)


@pytest.fixture
def adopted(bot: OldBot) -> Iterator[Vault]:
    with SQLiteStore(bot.path) as store:
        vault = Vault(Keyring.parse(bot.key_text), store)
        vault.list(actor="alice")
        yield vault


def query(path: Path, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        rows = connection.execute(sql, parameters).fetchall()
        connection.commit()
        return rows
    finally:
        connection.close()


def test_the_bot_left_its_rows_in_the_write_ahead_log(bot: OldBot) -> None:
    assert os.path.getsize(f"{bot.path}-wal") > 100_000
    assert query(bot.path, "SELECT count(*) FROM secrets") == [(ROWS,)]


def test_every_value_is_read_at_once(bot: OldBot, adopted: Vault) -> None:
    assert [each.name for each in adopted.list(actor="alice")] == sorted(bot.values, key=str.encode)
    for name, value in bot.values.items():
        if value is None:
            with pytest.raises(TokenMalformedError, match="empty"):
                adopted.get(name, actor="alice")
        else:
            secret = adopted.get(name, actor="alice")
            assert secret.reveal_bytes() == value
            assert secret.details is not None
            assert secret.details.format == "node_gcm"


def test_not_a_row_or_column_is_lost(bot: OldBot) -> None:
    secrets_before = query(bot.path, ALL)
    audit_before = query(bot.path, AUDIT.format(""))
    others_before = query(bot.path, "SELECT * FROM bindings") + query(bot.path, "SELECT * FROM owners")
    with SQLiteStore(bot.path) as store:
        report = Vault(Keyring.parse(bot.key_text), store).verify_audit(actor="alice")
        assert report.unchained == bot.audit_rows
    assert query(bot.path, ALL) == secrets_before
    assert query(bot.path, AUDIT.format("WHERE mac IS NULL")) == audit_before
    assert query(bot.path, "SELECT * FROM bindings") + query(bot.path, "SELECT * FROM owners") == others_before
    assert query(bot.path, "PRAGMA integrity_check") == [("ok",)]
    assert query(bot.path, "PRAGMA foreign_key_check") == []


def test_counts_and_instants_in_any_form_are_kept(bot: OldBot, adopted: Vault) -> None:
    old = dict(query(Path(f"{bot.path}.before-strongroom"), "SELECT name, accessed_count FROM secrets"))
    listed = adopted.list(actor="alice")
    assert {each.name: each.accessed_count for each in listed} == {name: count or 0 for name, count in old.items()}
    instants = [each.last_rotated for each in listed]
    assert instants.count(None) == ROWS // 4
    assert {at.isoformat() for at in instants if at} == {
        "2025-03-04T05:06:07+00:00",
        "2025-03-04T05:06:07.123000+00:00",
    }


def test_old_statements_still_run_and_the_trigger_the_index_and_the_cascades_still_work(
    bot: OldBot, adopted: Vault
) -> None:
    adopted.set("NEW", "x", actor="alice")
    assert query(bot.path, "SELECT created_by FROM secrets WHERE name = 'NEW'") == [("alice",)]
    assert query(bot.path, "SELECT action, user_id, success FROM secrets_audit ORDER BY id DESC LIMIT 1") == [
        ("set", "alice", 1)
    ]
    query(bot.path, "UPDATE secrets SET team = 'red' WHERE name = 'SECRET_00003'")
    assert query(bot.path, "SELECT * FROM changes") == [("SECRET_00003", None)]
    assert query(bot.path, "SELECT name FROM sqlite_master WHERE name = 'secrets_by_team'") == [("secrets_by_team",)]
    [(bound,)] = query(bot.path, "SELECT count(*) FROM bindings")
    adopted.delete(AWKWARD_NAMES[0], actor="alice")
    query(bot.path, "DELETE FROM secrets WHERE id = 11")
    assert query(bot.path, "SELECT count(*) FROM bindings") == [(bound - 1,)]
    query(bot.path, "DELETE FROM owners WHERE id = 2")
    assert query(bot.path, "SELECT count(*) FROM secrets WHERE owner_id = 2") == [(0,)]
    # The vault did not delete these, and says so.
    with pytest.raises(AuditTamperedError, match="the secret is gone, and no event says that it was deleted"):
        adopted.verify_audit(actor="alice")


def test_names_and_values_beyond_today_s_rules_are_read_rotated_and_deleted(bot: OldBot, adopted: Vault) -> None:
    for name in AWKWARD_NAMES:
        assert adopted.get(name, actor="alice").reveal_bytes() == bot.values[name]
        adopted.rotate(name, "new value", actor="alice")
        secret = adopted.get(name, actor="alice")
        assert (secret.reveal(), secret.details.format) == ("new value", "sealed")  # type: ignore[union-attr]
        adopted.delete(name, actor="alice")
        assert not adopted.exists(name, actor="alice")
    adopted.verify_audit(actor="alice")


def test_another_namespace_can_use_a_name_again(adopted: Vault, bot: OldBot) -> None:
    adopted.set("SECRET_00001", "in nexus", actor="alice", namespace="nexus")
    assert adopted.get("SECRET_00001", actor="alice", namespace="nexus").reveal() == "in nexus"
    assert adopted.get("SECRET_00001", actor="alice").reveal_bytes() == bot.values["SECRET_00001"]


def test_the_wrong_key_is_refused_and_the_right_one_still_works(bot: OldBot) -> None:
    with SQLiteStore(bot.path) as store:
        for call in ("list", "census", "verify_audit", "adopt"):
            with pytest.raises(NotAuthenticError, match="wrong key"):
                getattr(Vault(Keyring.generate(), store), call)(actor="alice")
        assert query(bot.path, "SELECT count(*) FROM strongroom_records") == [(0,)]
        vault = Vault(Keyring.parse(bot.key_text), store)
        assert vault.get("SECRET_00001", actor="alice").reveal_bytes() == bot.values["SECRET_00001"]


def test_the_copy_is_the_database_as_it_was_and_is_made_once(bot: OldBot) -> None:
    before = query(bot.path, "SELECT * FROM secrets"), query(bot.path, "SELECT * FROM secrets_audit")
    copy = Path(f"{bot.path}.before-strongroom")
    SQLiteStore(bot.path).close()
    assert (query(copy, "SELECT * FROM secrets"), query(copy, "SELECT * FROM secrets_audit")) == before
    made = copy.stat().st_mtime_ns
    SQLiteStore(bot.path).close()
    assert copy.stat().st_mtime_ns == made


def test_rows_that_the_bot_still_writes_are_refused_until_they_are_adopted(bot: OldBot, adopted: Vault) -> None:
    late = encrypt(bot.material, b"late")
    query(bot.path, "INSERT INTO secrets (name, value_encrypted) VALUES ('LATE', ?)", late)
    with pytest.raises(RecordTamperedError, match="adopt"):
        adopted.get("LATE", actor="alice")
    done = adopted.adopt(actor="alice")
    assert (done.secrets, done.events) == (1, bot.audit_rows)
    assert adopted.get("LATE", actor="alice").reveal() == "late"
    adopted.verify_audit(actor="alice")


def test_the_census_finds_what_is_left_in_the_old_format(bot: OldBot, adopted: Vault) -> None:
    values = sum(value is not None for value in bot.values.values())
    adopted.rotate("SECRET_00001", "new", actor="alice")
    census = adopted.census(actor="alice")
    assert census.formats == {"node_gcm": values, "sealed": 1}
    assert census.unreadable == 0


KILLED = """
import sys
from strongroom import Keyring, Vault
from strongroom.stores import SQLiteStore
print("begin", flush=True)
with SQLiteStore(sys.argv[1]) as store:
    print("opened", flush=True)
    Vault(Keyring.parse(sys.argv[2]), store).list(actor="alice")
print("listed", flush=True)
"""


def contents(path: Path) -> list[tuple[Any, ...]]:
    return query(path, ALL)


def adoption_time(bot: OldBot, folder: Path) -> float:
    path = folder / "timed.db"
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{bot.path}{suffix}", f"{path}{suffix}")
    began = time.monotonic()
    with SQLiteStore(path) as store:
        Vault(Keyring.parse(bot.key_text), store).list(actor="alice")
    return time.monotonic() - began


def test_a_process_killed_in_the_middle_leaves_the_database_usable_and_the_copy_whole(
    filled: OldBot, tmp_path: Path
) -> None:
    took = adoption_time(filled, tmp_path)
    before = contents(tmp_path / "timed.db")
    ends = set()
    for step in range(9):
        path = tmp_path / f"bot{step}.db"
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{filled.path}{suffix}", f"{path}{suffix}")
        command = [sys.executable, "-c", KILLED, str(path), filled.key_text]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(took * step / 8)
            process.send_signal(signal.SIGKILL)
            ends.add(tuple(process.stdout.read().split()))
        # Whatever was under way, the rows are there, once; what is half done is not.
        assert contents(path) == before
        assert query(path, "PRAGMA integrity_check") == [("ok",)]
        tables = {name for (name,) in query(path, "SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert not any(name.startswith("strongroom_old") for name in tables)
        copy = Path(f"{path}.before-strongroom")
        if copy.exists():
            assert query(copy, "SELECT count(*) FROM secrets") == [(ROWS,)]
        with SQLiteStore(path) as store:
            vault = Vault(Keyring.parse(filled.key_text), store)
            assert len(vault.list(actor="alice")) == ROWS
            assert vault.verify_audit(actor="alice").unchained == filled.audit_rows
            assert vault.get("SECRET_00001", actor="alice").reveal_bytes() == filled.values["SECRET_00001"]
        assert copy.exists()
    assert len(ends) >= 2, "the kills all came at one moment"
