"""What the service does with its data: kept, tampered with, of an older service; and with no key or a wrong one."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from service import TOKENS, Service
from strongroom import Keyring

from leakscan import Scanner, make_canary


def add(client: httpx.Client, key: str) -> str:
    added: Any = client.post("/keys", json={"provider": "stripe", "key": key}).json()
    return str(added["id"])


def sign(client: httpx.Client, path: str) -> httpx.Response:
    return client.post(f"{path}/sign", json={"payload": "x"})


def signed_with(key: str) -> dict[str, str]:
    return {"signature": hmac.new(key.encode(), b"x", hashlib.sha256).hexdigest()}


TAMPERED = {
    "with the value of another row": "UPDATE api_keys SET encrypted_key ="
    " (SELECT encrypted_key FROM api_keys WHERE id = :other) WHERE id = :id",
    "given to another owner": "UPDATE api_keys SET owner = 'bob' WHERE id = :id",
    "given to another provider": "UPDATE api_keys SET provider = 'aws' WHERE id = :id",
    "with another id": "UPDATE api_keys SET id = :id || '0' WHERE id = :id",
    "with a character changed": "UPDATE api_keys SET encrypted_key = substr(encrypted_key, 1, 90) ||"
    " iif(substr(encrypted_key, 91, 1) = 'A', 'B', 'A') || substr(encrypted_key, 92) WHERE id = :id",
}


def test_a_row_that_was_tampered_with_does_not_open(tmp_path: Path) -> None:
    with Service(tmp_path) as service, service.client("alice") as alice, service.client("bob") as bob:
        for what, statement in TAMPERED.items():
            key_id, other = add(alice, make_canary()), add(alice, make_canary())
            assert sign(alice, f"/keys/{key_id}").status_code == 200
            service.sql(statement.replace(":id", f"'{key_id}'").replace(":other", f"'{other}'"))
            client = bob if "owner" in what else alice
            path = f"/keys/{key_id}0" if "id" in what.split() else f"/keys/{key_id}"
            for answer in (client.get(path), sign(client, path)):
                assert (answer.status_code, answer.json()) == (500, {"code": "NOT_AUTHENTIC"}), what
            assert sign(alice, f"/keys/{other}").status_code == 200
        assert service.log.count("ERROR:     backend: GET /keys/{key_id}: NOT_AUTHENTIC") == len(TAMPERED)


def test_a_shared_record_that_was_tampered_with_does_not_open(tmp_path: Path) -> None:
    with Service(tmp_path) as service, service.client("alice") as alice:
        alice.post("/shared/A", json={"value": make_canary()})
        alice.post("/shared/B", json={"value": make_canary()})
        service.sql("UPDATE secrets SET value_encrypted = (SELECT value_encrypted FROM secrets WHERE name = 'A')")
        answer = sign(alice, "/shared/B")
        assert (answer.status_code, answer.json()) == (500, {"code": "RECORD_TAMPERED"})


def test_a_database_that_fails_is_told_by_its_code(tmp_path: Path) -> None:
    with Service(tmp_path) as service, service.client("alice") as alice:
        alice.post("/shared/A", json={"value": make_canary()})
        service.sql("ALTER TABLE api_keys RENAME TO gone")
        service.sql("ALTER TABLE secrets RENAME TO secrets_gone")
        for answer in (alice.get("/keys"), sign(alice, "/shared/A")):
            assert (answer.status_code, answer.json()) == (503, {"code": "STORAGE_FAILED"})


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_everything_is_there_after_a_restart(tmp_path: Path, end: str) -> None:
    own, shared = make_canary(), make_canary()
    service = Service(tmp_path)
    with service, service.client("alice") as alice:
        key_id = add(alice, own)
        assert alice.post("/shared/A", json={"value": shared}).status_code == 200
        if end == "killed":
            service.kill()
    with service, service.client("alice") as alice:
        assert sign(alice, f"/keys/{key_id}").json() == signed_with(own)
        assert sign(alice, "/shared/A").json() == signed_with(shared)
        assert alice.get("/audit/verified").status_code == 200


def test_a_new_key_in_front_opens_what_the_old_one_wrote(tmp_path: Path) -> None:
    service, key = Service(tmp_path), make_canary()
    with service, service.client("alice") as alice:
        key_id = add(alice, key)
        alice.post("/shared/A", json={"value": key})
    service.environ["ENCRYPTION_KEY"] = f"{Keyring.generate().dangerous_export()},{service.key}"
    with service, service.client("alice") as alice:
        assert sign(alice, f"/keys/{key_id}").json() == signed_with(key)
        assert sign(alice, "/shared/A").json() == signed_with(key)


# Values that Fernet wrote.

OLD_TABLE = """
CREATE TABLE api_keys (id VARCHAR PRIMARY KEY, owner VARCHAR NOT NULL, provider VARCHAR NOT NULL,
                       encrypted_key VARCHAR NOT NULL, created_at DATETIME NOT NULL, last_used DATETIME)
"""


def old_service(folder: Path, keys: dict[str, str], **environ: str | None) -> tuple[Service, str]:
    """A service over the table of an older one, whose values `cryptography` wrote, and the key of those."""
    fernet = Fernet.generate_key()
    service = Service(folder, **environ)
    service.sql(OLD_TABLE)
    for key_id, key in keys.items():
        token = Fernet(fernet).encrypt(key.encode()).decode()
        row = (key_id, "alice", "stripe", token, "2025-11-22 04:12:56.123456")
        service.sql("INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, NULL)", *row)
    return service, fernet.decode()


def stored(service: Service) -> dict[str, str]:
    return dict(service.sql("SELECT id, encrypted_key FROM api_keys"))


@pytest.mark.parametrize("ring", ["the old key alone", "a new key in front"])
def test_what_fernet_wrote_is_read_and_encrypted_anew_when_it_is_used(tmp_path: Path, ring: str) -> None:
    keys = {"1": make_canary(), "2": make_canary(), "3": make_canary()}
    service, fernet = old_service(tmp_path, keys, MIGRATE_FERNET="1")
    service.environ["ENCRYPTION_KEY"] = fernet if ring == "the old key alone" else f"{service.key},{fernet}"
    before = stored(service)
    with service, service.client("alice") as alice:
        assert sign(alice, "/keys/1").json() == signed_with(keys["1"])
        assert alice.get("/keys/2").json()["masked"] == f"{keys['2'][:4]}****"
        after = stored(service)
        assert after["1"].startswith("sr1.")
        assert after["2"].startswith("sr1.")
        assert after["3"] == before["3"]
        assert "3 rows of api_keys are still Fernet" in service.log
        # From now on a value is bound to its row.
        service.sql("UPDATE api_keys SET encrypted_key = ? WHERE id = '1'", after["2"])
        assert sign(alice, "/keys/1").json() == {"code": "NOT_AUTHENTIC"}
        service.sql("UPDATE api_keys SET encrypted_key = ? WHERE id = '1'", after["1"])
        sign(alice, "/keys/3")
    service.environ["MIGRATE_FERNET"] = None
    with service, service.client("alice") as alice:
        for key_id, key in keys.items():
            assert sign(alice, f"/keys/{key_id}").json() == signed_with(key)
    assert service.log.count("still Fernet") == 1


def test_what_fernet_wrote_is_refused_when_no_migration_goes_on(tmp_path: Path) -> None:
    service, fernet = old_service(tmp_path, {"1": make_canary()})
    service.environ["ENCRYPTION_KEY"] = f"{service.key},{fernet}"
    before = stored(service)
    with service, service.client("alice") as alice:
        answer = sign(alice, "/keys/1")
        assert answer.status_code == 500
        assert list(answer.json()) == ["code"]
        # Nor can an old value be put in the place of a new one.
        key_id = add(alice, make_canary())
        service.sql("UPDATE api_keys SET encrypted_key = ? WHERE id = ?", before["1"], key_id)
        assert sign(alice, f"/keys/{key_id}").json() == answer.json()
    assert stored(service)["1"] == before["1"]


# What keeps the service from starting.


def test_a_wrong_key_is_told_at_the_start(tmp_path: Path) -> None:
    service = Service(tmp_path)
    for use in ("own", "shared"):
        with service, service.client("alice") as alice:
            if use == "own":
                add(alice, make_canary())
            else:
                alice.post("/shared/A", json={"value": make_canary()})
                service.sql("DELETE FROM api_keys")
        right, wrong = service.key, Keyring.generate().dangerous_export()
        service.environ["ENCRYPTION_KEY"] = wrong
        said = service.fails_to_start()
        assert said.startswith("cannot start: KEY_UNKNOWN: "), said
        assert said.count("\n") == 1
        assert Scanner(right[5:], wrong[5:]).find("what was said", said) == []
        service.environ["ENCRYPTION_KEY"] = right


CANARY = make_canary()
UNABLE: dict[str, tuple[dict[str, str | None], str]] = {
    "no key": ({"ENCRYPTION_KEY": None}, "NOT_CONFIGURED: "),
    "an empty key": ({"ENCRYPTION_KEY": ""}, "NOT_CONFIGURED: "),
    "a key that is none": ({"ENCRYPTION_KEY": CANARY}, "KEY_INVALID: "),
    "no users": ({"API_TOKENS": None}, "API_TOKENS is not set"),
    "a user without a token": ({"API_TOKENS": f"alice:{CANARY},{CANARY}"}, "entry 2 of API_TOKENS"),
    "a short token": ({"API_TOKENS": f"{CANARY}:short"}, "entry 1 of API_TOKENS"),
    "a token of two users": ({"API_TOKENS": f"alice:{CANARY},bob:{CANARY}"}, "entry 2 of API_TOKENS repeats"),
    "a short token of the panel": ({"PANEL_TOKEN": "short"}, "PANEL_TOKEN is too short"),
    "a panel with a user's token": ({"PANEL_TOKEN": TOKENS["bob"]}, "PANEL_TOKEN is a user's"),
    "a shared user who is none": ({"SHARED_USERS": f"alice,{CANARY}"}, "SHARED_USERS names"),
    "no folder of the panel": ({"PANEL_DIR": f"/nowhere/{CANARY}"}, "PANEL_DIR is no folder"),
    "no folder of the database": ({"DATABASE": "/nowhere/backend.db"}, "the file that DATABASE names"),
}


@pytest.mark.parametrize("what", UNABLE)
def test_what_keeps_it_from_starting_is_said_in_one_line(tmp_path: Path, what: str) -> None:
    environ, expected = UNABLE[what]
    said = Service(tmp_path, **environ).fails_to_start()
    assert said.startswith(f"cannot start: {expected}"), said
    assert said.count("\n") == 1
    assert Scanner(CANARY).find("what was said", said) == []


def test_a_key_comes_from_a_file_too(tmp_path: Path) -> None:
    service = Service(tmp_path, ENCRYPTION_KEY=None, ENCRYPTION_KEY_FILE=str(tmp_path / "key"))
    (tmp_path / "key").write_text(f"{service.key}\n")
    with service, service.client("alice") as alice:
        assert add(alice, make_canary())


# Leaks.


def test_no_answer_no_log_and_no_file_holds_a_key(tmp_path: Path) -> None:
    own, shared, old = make_canary(), make_canary(), make_canary()
    service, fernet = old_service(tmp_path, {"old": old}, MIGRATE_FERNET="1", SHARED_USERS="alice")
    service.environ["ENCRYPTION_KEY"] = f"{service.key},{fernet}"
    with service, service.client("alice") as alice, service.client("bob") as bob, service.client("panel") as panel:
        key_id = add(alice, own)
        for client in (alice, bob):
            client.post("/shared/A", json={"value": shared})
            client.get("/shared")
            client.get("/audit")
            client.get("/keys")
            for path in (f"/keys/{key_id}", "/keys/old"):
                client.get(path)
                sign(client, path)
            sign(client, "/shared/A")
        panel.get("/panel/api/secrets")
        slot = {"kind": "secret", "namespace": "default", "name": "A"}
        panel.post("/panel/api/store/load", json={"keys": [slot]})
        # What fails, at every level.
        service.sql("UPDATE api_keys SET owner = 'bob' WHERE id = 'old'")
        sign(bob, "/keys/old")
        service.sql("ALTER TABLE api_keys RENAME TO gone")
        assert alice.post("/keys", json={"provider": "stripe", "key": own}).status_code == 503
        service.sql("ALTER TABLE secrets_audit RENAME TO audit_gone")
        assert alice.post("/shared/A", json={"value": shared}).status_code == 503
        service.sql("ALTER TABLE audit_gone RENAME TO secrets_audit")
        service.sql("UPDATE secrets SET value_encrypted = 'x'")
        assert sign(alice, "/shared/A").status_code == 500
        service.sql("ALTER TABLE gone RENAME TO api_keys")
        service.sql("UPDATE api_keys SET created_at = 'no time'")
        assert alice.get(f"/keys/{key_id}").json() == {"code": "INTERNAL"}
        scanner = Scanner(own, shared, old, service.key[5:], fernet, *TOKENS.values())
        assert scanner.find_in_tree(tmp_path) == []
    assert "Traceback" in service.log
    assert scanner.find("the answers", service.received) == []
    assert scanner.find("the log", service.log) == []
    assert scanner.find_in_tree(tmp_path) == []
    assert scanner.find("planted", service.log + service.received + own)
