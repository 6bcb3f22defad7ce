"""Checkpoints and the export of the history, over real stores."""

from __future__ import annotations

import asyncio
import json
import pickle
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from strongroom import Actor, Checkpoint, Keyring, SigningKey, StrongroomError, Vault, aio
from strongroom.errors import AuditTamperedError, BackupInvalidError, InvalidArgumentError, PermissionDeniedError
from strongroom.stores import MemoryStore, SQLiteStore

KEY = SigningKey.generate(name="example.com/vault")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vault.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    with closing(SQLiteStore(path)) as store:
        yield store


@pytest.fixture
def vault(keyring: Keyring, store: SQLiteStore) -> Vault:
    vault = Vault(keyring, store)
    for name in ("A", "B", "GONE"):
        vault.set(name, f"value of {name}", actor="alice")
        vault.get(name, actor="alice")
    vault.delete("GONE", actor="alice")
    return vault


def kept_of(vault: Vault) -> str:
    return vault.checkpoint(actor="cron", signing_key=KEY)


def verify(vault: Vault, kept: str) -> int:
    return vault.verify_audit(actor="cron", checkpoint=kept, verifiers=[KEY.verifier()]).events


def test_a_later_state_verifies_against_a_checkpoint_that_was_kept(vault: Vault) -> None:
    kept = kept_of(vault)
    vault.delete("A", actor="alice")
    vault.set("A", "made again", actor="alice")
    vault.renew_root(actor="alice")
    assert verify(vault, kept) > 12
    assert Checkpoint.parse(kept, verifiers=[KEY.verifier()]).vault_id == vault.verify_audit(actor="cron").vault_id


def test_a_database_that_was_put_back_is_found(
    keyring: Keyring, vault: Vault, store: SQLiteStore, path: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    vault.rotate("A", "another", actor="alice")
    vault.set("NEW", "another", actor="alice")
    kept = kept_of(vault)
    store.close()
    for leftover in path.parent.glob("vault.db-*"):
        leftover.unlink()
    shutil.copy(copy, path)
    with closing(SQLiteStore(path)) as put_back:
        old = Vault(keyring, put_back)
        with pytest.raises(
            AuditTamperedError, match=r"stream vault, event .*the store was put back to an earlier state"
        ):
            verify(old, kept)
        # By itself it shows nothing, and it is found as long as it is used.
        for _ in range(5):
            old.verify_audit(actor="cron")
        with pytest.raises(AuditTamperedError, match="the store put back and used since"):
            verify(old, kept)


def test_a_checkpoint_of_another_vault_or_signer_is_no_proof(vault: Vault) -> None:
    other = Vault(Keyring.generate(), MemoryStore())
    other.set("A", "value", actor="alice")
    with pytest.raises(AuditTamperedError, match="the checkpoint is of vault"):
        verify(vault, kept_of(other))
    theirs = vault.checkpoint(actor="cron", signing_key=SigningKey.generate(name="example.com/vault"))
    with pytest.raises(BackupInvalidError, match="none of the given verifiers"):
        verify(vault, theirs)


def test_arguments_that_do_not_go_together_are_refused(vault: Vault) -> None:
    kept = kept_of(vault)
    before = vault.verify_audit(actor="cron").events
    with pytest.raises(InvalidArgumentError, match="no"):
        vault.verify_audit(actor="cron", checkpoint=kept)
    with pytest.raises(InvalidArgumentError, match="verifiers and no checkpoint"):
        vault.verify_audit(actor="cron", verifiers=[KEY.verifier()])
    with pytest.raises(InvalidArgumentError, match="is a list"):
        vault.verify_audit(actor="cron", checkpoint=kept, verifiers=KEY.verifier())
    with pytest.raises(InvalidArgumentError, match="SigningKey"):
        vault.checkpoint(actor="cron", signing_key=KEY.dangerous_export())  # type: ignore[arg-type]
    assert vault.verify_audit(actor="cron").events == before + 1


def test_a_checkpoint_is_for_whoever_may_administer_the_vault() -> None:
    policy = {"rules": [{"id": "r", "roles": ["reader"], "actions": ["read"]}], "members": {}}
    vault = Vault(Keyring.generate(), MemoryStore(), policy=policy)
    reader = Actor("bob", roles=["reader"])
    vault.verify_audit(actor=reader)
    with pytest.raises(PermissionDeniedError):
        vault.checkpoint(actor=reader, signing_key=KEY)
    with pytest.raises(PermissionDeniedError):
        list(vault.export_audit(actor=reader))


def test_a_signing_key_shows_itself_to_nobody(vault: Vault) -> None:
    text = KEY.dangerous_export()
    assert text.startswith("srs1.")
    assert repr(KEY) == str(KEY) == "SigningKey(name='example.com/vault')"
    assert text not in repr(vars(type(KEY)))
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(KEY)
    with pytest.raises(TypeError, match=r"SigningKey\.parse"):
        SigningKey()
    again = SigningKey.parse(f"{text}\n", name="example.com/vault")
    assert again.verifier() == KEY.verifier()
    # It signs more than once.
    assert verify(vault, vault.checkpoint(actor="cron", signing_key=again)) > 0
    assert verify(vault, vault.checkpoint(actor="cron", signing_key=again)) > 0


def test_the_signing_key_of_a_process(tmp_path: Path) -> None:
    text = KEY.dangerous_export()
    file = tmp_path / "key"
    file.write_text(text + "\n")
    for environ in ({"STRONGROOM_SIGNING_KEY": text}, {"STRONGROOM_SIGNING_KEY_FILE": str(file)}):
        assert SigningKey.from_env(environ, name="example.com/vault").verifier() == KEY.verifier()
    refusals = {
        "NOT_CONFIGURED": {},
        "INVALID_ARGUMENT": {"STRONGROOM_SIGNING_KEY": text, "STRONGROOM_SIGNING_KEY_FILE": str(file)},
        "KEY_INVALID": {"STRONGROOM_SIGNING_KEY": text[:-1]},
    }
    for code, environ in refusals.items():
        with pytest.raises(StrongroomError) as refused:
            SigningKey.from_env(environ)
        assert refused.value.code == code
        assert text[:-1] not in str(refused.value)
    with pytest.raises(StrongroomError) as refused:
        SigningKey.generate(name="two words")
    assert refused.value.code == "NAME_INVALID"


def test_the_export_is_the_history_event_by_event(vault: Vault) -> None:
    total = vault.verify_audit(actor="cron").events + 1
    events = [json.loads(line) for line in vault.export_audit(actor="cron")]
    assert len(events) == total
    places = [(event["stream"], event["seq"]) for event in events]
    assert places == sorted(places)
    linked = {(event["stream"], event["seq"]): event["mac"] for event in events}
    for event in events:
        assert event["prev_mac"] == linked.get((event["stream"], event["seq"] - 1))
    # By small pages too, each of which is recorded.
    by_two = [json.loads(line) for line in vault.export_audit(actor="cron", limit=2)]
    assert [event["mac"] for event in by_two if event["action"] != "export_audit"] == [event["mac"] for event in events]
    assert vault.audit(actor="cron", limit=1)[0].action == "export_audit"


def test_no_value_leaves_with_the_history(vault: Vault) -> None:
    for export_format in ("jsonl", "ocsf"):
        exported = "\n".join(vault.export_audit(actor="cron", format=export_format))
        assert "value of" not in exported
        assert "srs1." not in exported


REQUIRED = {
    "category_uid": int,
    "class_uid": int,
    "activity_id": int,
    "type_uid": int,
    "time": int,
    "severity_id": int,
    "status_id": int,
    "metadata": dict,
    "entity": dict,
}
ENVELOPE = {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"}


def assert_is_ocsf(line: str) -> dict[str, Any]:
    """What CloudEvents 1.0 and OCSF 1.3, Entity Management, require."""
    event: dict[str, Any] = json.loads(line)
    assert event["specversion"] == "1.0"
    assert event["datacontenttype"] == "application/json"
    assert event.keys() <= ENVELOPE
    assert all(isinstance(event[name], str) and event[name] for name in ("id", "source", "type"))
    # Names of attributes are lower-case letters and digits; CloudEvents has no null.
    assert None not in event.values()
    data: dict[str, Any] = event["data"]
    for name, of in REQUIRED.items():
        assert type(data[name]) is of, name
    assert (data["category_uid"], data["class_uid"]) == (3, 3004)
    assert data["type_uid"] == data["class_uid"] * 100 + data["activity_id"]
    assert data["activity_id"] in {0, 1, 2, 3, 4, 99}
    assert data["status_id"] in {0, 1, 2, 99}
    assert data["severity_id"] in range(7)
    assert data["metadata"]["version"] == "1.3.0"
    assert data["metadata"]["product"].keys() >= {"name", "vendor_name"}
    assert data["entity"].keys() & {"name", "uid"}
    assert "actor" not in data or data["actor"]["user"].keys() & {"name", "uid"}
    return event


def test_every_event_is_told_as_ocsf_in_cloudevents(vault: Vault) -> None:
    policy = {"rules": [{"id": "all", "users": ["alice", "cron"], "actions": ["*"]}], "members": {}}
    vault.set_policy(policy, actor="alice")
    with pytest.raises(PermissionDeniedError):
        vault.get("A", actor="bob")
    vault.purge(actor="alice")
    kept_of(vault)
    events = [assert_is_ocsf(line) for line in vault.export_audit(actor="cron", format="ocsf")]
    assert len({event["id"] for event in events}) == len(events)
    vault_id = vault.verify_audit(actor="cron").vault_id
    assert {event["source"] for event in events} == {f"strongroom:vault:{vault_id}"}
    by_type = {event["type"]: event["data"]["activity_id"] for event in events}
    assert by_type["strongroom.audit.init"] == 1
    assert by_type["strongroom.audit.checkpoint"] == 2
    assert by_type["strongroom.audit.set_policy"] == 3
    assert by_type["strongroom.audit.delete"] == by_type["strongroom.audit.purge"] == 4
    [denied] = [event["data"] for event in events if event["data"].get("status_code") == "PERMISSION_DENIED"]
    assert (denied["status_id"], denied["actor"]["user"]["uid"]) == (2, "bob")


def test_the_old_rows_of_an_adopted_database_are_exported_last(path: Path) -> None:
    with closing(sqlite3.connect(path)) as old, old:
        old.executescript(OLD)
    with closing(SQLiteStore(path)) as store:
        vault = Vault(Keyring.generate(), store)
        vault.list(actor="alice")
        lines = list(vault.export_audit(actor="cron", format="ocsf", limit=1))
        events = [assert_is_ocsf(line) for line in lines]
        assert [event["id"] for event in events[-2:]] == ["unchained/1", "unchained/2"]
        verify(vault, kept_of(vault))


OLD = """
CREATE TABLE secrets (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL, value_encrypted TEXT NOT NULL,
    created_by TEXT, created_at DATETIME, updated_at DATETIME, last_rotated DATETIME, accessed_count INTEGER DEFAULT 0);
CREATE TABLE secrets_audit (id INTEGER PRIMARY KEY AUTOINCREMENT, secret_name TEXT NOT NULL, action TEXT NOT NULL,
    user_id TEXT, platform TEXT, success BOOLEAN, timestamp DATETIME);
INSERT INTO secrets_audit (secret_name, action, user_id, success, timestamp)
    VALUES ('A', 'set', 'old', 1, '2025-01-01 10:00:00'), ('A', 'accessed', 'old', 0, '2025-01-01 10:00:01');
"""


def test_an_altered_event_is_not_exported(keyring: Keyring, vault: Vault, store: SQLiteStore, path: Path) -> None:
    store.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE secrets_audit SET user_id = 'mallory' WHERE rowid = 3")
    with closing(SQLiteStore(path)) as altered:
        again = Vault(keyring, altered)
        with pytest.raises(AuditTamperedError, match="the event was altered"):
            list(again.export_audit(actor="cron"))


def test_misspelled_formats_and_limits_are_refused(vault: Vault) -> None:
    for options in ({"format": "csv"}, {"limit": 0}, {"limit": 5001}):
        with pytest.raises(InvalidArgumentError):
            list(vault.export_audit(actor="cron", **options))


def test_the_same_in_asyncio() -> None:
    async def main() -> None:
        vault = aio.Vault(Keyring.generate(), MemoryStore())
        await vault.set("A", "value", actor="alice")
        kept = await vault.checkpoint(actor="cron", signing_key=KEY)
        await vault.verify_audit(actor="cron", checkpoint=kept, verifiers=[KEY.verifier()])
        lines = [line async for line in vault.export_audit(actor="cron", limit=2)]
        assert [json.loads(line)["action"] for line in lines][:3] == ["init", "set", "checkpoint"]
        with pytest.raises(BackupInvalidError):
            await vault.verify_audit(actor="cron", checkpoint=kept[:-1], verifiers=[KEY.verifier()])

    asyncio.run(main())
