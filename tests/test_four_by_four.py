"""Rust, Node, Python and the browser, live, each in a process of its own: what one writes, every one reads."""

from __future__ import annotations

import base64
import copy
import secrets
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sealed_v1 import Context, RefusedError, open_sealed

from hosts import process
from hosts.process import LANGUAGES, Host, program
from old_bot import decrypt as bot_decrypt
from old_bot import encrypt as bot_encrypt

MATERIAL, OTHER = secrets.token_bytes(32), secrets.token_bytes(32)
KEY, OTHER_KEY = MATERIAL.hex(), OTHER.hex()
STORED = {
    "NUL": b"\0",
    "LETTER": b"x",
    "TEXT": "caf\u00e9 \U0001f511\nline two".encode(),
    "EVERY_OCTET": bytes(range(256)),
    "LONG": secrets.token_bytes(64 * 1024),
    **{f"OF_{size}": secrets.token_bytes(size) for size in (2, 15, 16, 17, 31, 32, 33, 255, 1000)},
}
VALUES = [b"", *STORED.values()]
SHORT = [value for value in VALUES if len(value) <= 1000]
BOUND = [None, b"", b"user:42", bytes(range(256))]
FORMATS = ["sealed", "node_gcm", "fernet"]
ALICE = {"id": "alice", "platform": "telegram"}
OWNER = {"id": "alice", "roles": ["senior-engineer"]}
LOOKED_AT: list[tuple[str, dict[str, Any]]] = [
    *[("policy", {}), ("census", {}), ("list", {}), ("grants", {"name": "A"}), ("versions", {"name": "A"})],
    ("rotation_status", {"ahead_millis": 30 * 24 * 3_600_000}),
]
EMPTY: dict[str, Any] = {"records": [], "events": []}

each_pair = pytest.mark.parametrize(("writer", "reader"), [(a, b) for a in LANGUAGES for b in LANGUAGES], indirect=True)


@pytest.fixture(scope="session")
def hosts() -> Iterator[dict[str, Host]]:
    running: dict[str, Host] = {}
    try:
        for language in LANGUAGES:
            running[language] = Host(language, program(language))
        yield running
    finally:
        for host in running.values():
            host.close()


@pytest.fixture
def writer(hosts: dict[str, Host], request: pytest.FixtureRequest) -> Host:
    return hosts[request.param]


@pytest.fixture
def reader(hosts: dict[str, Host], request: pytest.FixtureRequest) -> Host:
    return hosts[request.param]


def hexed(octets: bytes | None) -> str | None:
    return None if octets is None else octets.hex()


def refusal(host: Host, what: str, **given: Any) -> tuple[str, str]:
    """The code and the message that a host refuses with."""
    with pytest.raises(process.RefusedError) as refused:
        host.ask(what, **given)
    return refused.value.code, str(refused.value)


def test_all_are_of_one_version(hosts: dict[str, Host]) -> None:
    assert len({host.ask("version") for host in hosts.values()}) == 1


# Values.


@each_pair
@pytest.mark.parametrize("bound", BOUND)
def test_sealed_values_are_read_where_they_belong_and_nowhere_else(
    writer: Host, reader: Host, bound: bytes | None
) -> None:
    elsewhere = next(other for other in BOUND if other != bound)
    for value in VALUES if bound == b"user:42" else SHORT:
        token = writer.ask("encrypt", key=KEY, value=value.hex(), format="sealed", bound=hexed(bound))
        assert reader.ask("decrypt", key=KEY, token=token, bound=hexed(bound)) == value.hex()
        code, _ = refusal(reader, "decrypt", key=KEY, token=token, bound=hexed(elsewhere))
        assert code == "NOT_AUTHENTIC"
        code, _ = refusal(reader, "decrypt", key=OTHER_KEY, token=token, bound=hexed(bound))
        assert code == "KEY_UNKNOWN"


@each_pair
@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_is_read_and_told_apart(writer: Host, reader: Host, format_: str) -> None:
    [primary] = reader.ask("keys", key=KEY)
    for value in VALUES:
        token = writer.ask("encrypt", key=KEY, value=value.hex(), format=format_)
        # The key that opens it is not the first of the ring.
        ring = f"{OTHER_KEY},{KEY}"
        assert reader.ask("decrypt", key=ring, token=token, formats=[format_]) == value.hex()
        assert reader.ask("inspect", key=ring, token=token) == {"format": format_, "key_id": primary["id"]}
        code, _ = refusal(reader, "decrypt", key=OTHER_KEY, token=token)
        assert code == ("KEY_UNKNOWN" if format_ == "sealed" else "NOT_AUTHENTIC")


@pytest.mark.parametrize("writer", LANGUAGES, indirect=True)
def test_other_programs_open_what_each_host_writes(writer: Host) -> None:
    fernet = Fernet(base64.urlsafe_b64encode(MATERIAL))
    for value in VALUES:
        token = writer.ask("encrypt", key=KEY, value=value.hex(), format="fernet")
        assert fernet.decrypt(token) == value
        token = writer.ask("encrypt", key=KEY, value=value.hex(), format="node_gcm")
        assert bot_decrypt(MATERIAL, token) == value
        for bound in BOUND:
            token = writer.ask("encrypt", key=KEY, value=value.hex(), format="sealed", bound=hexed(bound))
            assert open_sealed(token, [OTHER, MATERIAL], Context(associated_data=bound)) == value
            elsewhere = next(other for other in BOUND if other != bound)
            with pytest.raises(RefusedError, match="NOT_AUTHENTIC"):
                open_sealed(token, [MATERIAL], Context(associated_data=elsewhere))


@pytest.mark.parametrize("reader", LANGUAGES, indirect=True)
def test_each_host_opens_what_other_programs_write(reader: Host) -> None:
    fernet = Fernet(base64.urlsafe_b64encode(MATERIAL))
    for value in VALUES:
        for token in (fernet.encrypt(value).decode(), bot_encrypt(MATERIAL, value)):
            assert reader.ask("decrypt", key=KEY, token=token) == value.hex()


def test_all_refuse_alike_and_in_the_same_words(hosts: dict[str, Host]) -> None:
    rust = hosts["rust"]
    tokens = {format_: rust.ask("encrypt", key=KEY, value="00", format=format_) for format_ in FORMATS}
    bound = rust.ask("encrypt", key=KEY, value="00", format="sealed", bound=b"a".hex())
    altered = {
        format_: token[:-5] + ("AA" if token[-5:-3] != "AA" else "BB") + token[-3:] for format_, token in tokens.items()
    }
    asked: list[tuple[str, str, dict[str, Any]]] = [
        *(("NOT_AUTHENTIC", "decrypt", {"key": KEY, "token": token}) for token in altered.values()),
        ("KEY_UNKNOWN", "decrypt", {"key": OTHER_KEY, "token": tokens["sealed"]}),
        ("NOT_AUTHENTIC", "decrypt", {"key": OTHER_KEY, "token": tokens["node_gcm"]}),
        ("NOT_AUTHENTIC", "decrypt", {"key": OTHER_KEY, "token": tokens["fernet"]}),
        ("NOT_AUTHENTIC", "decrypt", {"key": KEY, "token": bound}),
        ("NOT_AUTHENTIC", "decrypt", {"key": KEY, "token": bound, "bound": b"b".hex()}),
        ("TOKEN_MALFORMED", "decrypt", {"key": KEY, "token": tokens["sealed"][:50]}),
        ("TOKEN_MALFORMED", "decrypt", {"key": KEY, "token": "nonsense"}),
        ("TOKEN_MALFORMED", "decrypt", {"key": KEY, "token": ""}),
        ("TOKEN_MALFORMED", "decrypt", {"key": KEY, "token": tokens["fernet"], "formats": ["sealed"]}),
        ("INVALID_ARGUMENT", "decrypt", {"key": KEY, "token": tokens["fernet"], "formats": ["rot13"]}),
        ("INVALID_ARGUMENT", "encrypt", {"key": KEY, "value": "00", "format": "rot13"}),
        ("INVALID_ARGUMENT", "encrypt", {"key": KEY, "value": "00", "format": "fernet", "bound": "00"}),
        ("INVALID_ARGUMENT", "encrypt", {"key": KEY, "value": "00", "format": "node_gcm", "bound": "00"}),
        ("KEY_INVALID", "keys", {"key": KEY[:63]}),
        ("KEY_INVALID", "keys", {"key": f"{KEY},{KEY}"}),
        ("KEY_INVALID", "keys", {"key": f"{KEY},hunter2"}),
        ("NOT_CONFIGURED", "keys", {"key": " "}),
    ]
    for code, what, given in asked:
        said = {host.language: refusal(host, what, **given) for host in hosts.values()}
        assert len(set(said.values())) == 1, (what, said)
        assert said["rust"][0] == code, (what, said)


# Keyrings.


@each_pair
def test_a_keyring_that_one_exports_every_one_reads(writer: Host, reader: Host) -> None:
    made = [writer.ask("generate") for _ in range(3)]
    assert all(key["created_at"] is not None for ring in made for key in ring["keys"])
    text = ",".join(ring["key"] for ring in made)
    ids = [ring["keys"][0]["id"] for ring in made]
    told = reader.ask("keys", key=text)
    assert [(key["id"], key["state"]) for key in told] == [
        (ids[0], "primary"),
        (ids[1], "enabled"),
        (ids[2], "enabled"),
    ]
    assert reader.ask("keys", key=writer.ask("export", key=text)) == told
    token = writer.ask("encrypt", key=made[2]["key"], value="00", format="sealed")
    assert reader.ask("inspect", key=text, token=token) == {"format": "sealed", "key_id": ids[2]}


@pytest.mark.parametrize("spelling", ["hex", "HEX", "base64", "base64url", "unpadded", "srk1", "spaced", "lines"])
def test_a_key_means_the_same_however_it_is_spelled(hosts: dict[str, Host], spelling: str) -> None:
    exported = hosts["rust"].ask("export", key=KEY)
    text = {
        "hex": KEY,
        "HEX": KEY.upper(),
        "base64": base64.b64encode(MATERIAL).decode(),
        "base64url": base64.urlsafe_b64encode(MATERIAL).decode(),
        "unpadded": base64.urlsafe_b64encode(MATERIAL).decode().rstrip("="),
        "srk1": exported,
        "spaced": f" {KEY}\t,",
        "lines": f"\n{exported}\n\n",
    }[spelling]
    assert exported.startswith("srk1.")
    [expected] = hosts["rust"].ask("keys", key=KEY)
    for host in hosts.values():
        assert host.ask("keys", key=text) == [expected], host.language
        assert host.ask("export", key=text) == exported, host.language


# Vaults, over rows.


def start(host: Host, rows: dict[str, Any], key: str = KEY, **options: Any) -> None:
    host.ask("open", key=key, options={"confirm": ["set", "rotate", "delete"], **options}, rows=rows, page=None)


def write(host: Host, values: dict[str, bytes]) -> None:
    """Every operation that writes, in two namespaces, and refusals."""
    for name, value in values.items():
        host.ask("set", name=name, value=value.hex(), namespace="nexus" if len(name) % 2 else "default", actor=ALICE)
    host.ask("set", name="ROTATED", value=b"before".hex(), actor=ALICE)
    host.ask("rotate", name="ROTATED", value=b"after".hex(), actor="bob")
    host.ask("set", name="DELETED", value=b"gone".hex(), actor=ALICE)
    host.ask("delete", name="DELETED", actor=ALICE)
    assert host.ask("get", name="ROTATED", actor="carol")["value"] == b"after".hex()
    assert refusal(host, "get", name="MISSING", actor="carol")[0] == "SECRET_NOT_FOUND"
    proposed = host.ask("propose", change="rotate", name="ROTATED", value=b"confirmed".hex(), actor=ALICE)
    host.ask("confirm", id=proposed["id"], actor=ALICE)
    withdrawn = host.ask("propose", change="delete", name="ROTATED", actor=ALICE)
    host.ask("cancel", id=withdrawn["id"], actor=ALICE)
    asked = host.ask("command", text="secret set CHATTED sk_test_abc123", actor=ALICE)
    assert asked["carried_value"]
    host.ask("command", text=asked["buttons"][0]["command"], actor=ALICE)


def read(host: Host, values: dict[str, bytes]) -> dict[str, Any]:
    """What a host finds, everything in the order of fewest traces."""
    found = {
        "audit": host.ask("audit", limit=1000, actor="reader"),
        "slot": host.ask("audit", name="ROTATED", limit=5, actor="reader"),
        "list": host.ask("list", actor="reader"),
        "nexus": host.ask("list", namespace="nexus", actor="reader"),
        "report": host.ask("verify_audit", actor="reader"),
        "census": host.ask("census", actor="reader"),
    }
    for name, value in {**values, "CHATTED": b"sk_test_abc123", "ROTATED": b"confirmed"}.items():
        space = "nexus" if name in values and len(name) % 2 else "default"
        got = host.ask("get", name=name, namespace=space, actor="reader")
        assert got["value"] == value.hex(), name
        found[name] = got
    assert host.ask("exists", name="DELETED", actor="reader") is False
    return found


@each_pair
def test_a_vault_that_one_wrote_the_other_reads_and_goes_on_with_and_gives_back(writer: Host, reader: Host) -> None:
    start(writer, EMPTY)
    write(writer, STORED)
    waiting = writer.ask("propose", change="set", name="WAITING", value=b"proposed there".hex(), actor=ALICE)
    rows = writer.ask("dump")
    start(writer, rows)
    ours = read(writer, STORED)
    start(reader, rows)
    theirs = read(reader, STORED)
    # To the letter, with every instant and id; what was asked for the audit first is not in it yet.
    assert theirs["audit"] == [
        {name: field for name, field in event.items() if name not in ("mac", "prev_mac", "digest", "epoch")}
        for event in reversed(rows["events"])
    ]
    assert theirs == ours
    assert theirs["report"]["events"] == len(rows["events"]) + 4
    # The reader goes on.
    start(reader, rows, vault_id=theirs["report"]["vault_id"])
    reader.ask("confirm", id=waiting["id"], actor=ALICE)
    reader.ask("rotate", name="TEXT", value=b"rotated there".hex(), actor="reader")
    reader.ask("set", name="DELETED", value=b"again".hex(), actor="reader")
    reader.ask("delete", name="ROTATED", actor="reader")
    reader.ask("rotate", name="LETTER", value=b"y".hex(), namespace="default", actor="reader")
    back = reader.ask("dump")
    # And the writer again.
    start(writer, back, vault_id=theirs["report"]["vault_id"])
    for name, value in {
        "WAITING": b"proposed there",
        "TEXT": b"rotated there",
        "DELETED": b"again",
        "LETTER": b"y",
    }.items():
        assert writer.ask("get", name=name, actor="writer")["value"] == value.hex()
    assert refusal(writer, "get", name="ROTATED", actor="writer")[0] == "SECRET_NOT_FOUND"
    assert writer.ask("confirm", id=waiting["id"], actor=ALICE)["repeated"] is True
    writer.ask("rotate", name="WAITING", value=b"and on".hex(), actor="writer")
    report = writer.ask("verify_audit", actor="writer")
    assert report["vault_id"] == theirs["report"]["vault_id"]
    assert report["events"] == len(writer.ask("dump")["events"]) - 1


@each_pair
def test_the_rules_that_one_wrote_bind_the_other_and_back(writer: Host, reader: Host) -> None:
    both, [old] = f"{OTHER_KEY},{KEY}", writer.ask("keys", key=KEY)
    start(writer, EMPTY)
    writer.ask("set", name="A", value=b"first".hex(), actor=OWNER)
    writer.ask("rotate", name="A", value=b"second".hex(), grace_millis=3_600_000, actor=OWNER)
    writer.ask("set", name="B", generate="hex", generator="uuid", sensitivity="critical", notify=["#ops"], actor=OWNER)
    writer.ask("set_policy", policy="default", actor=OWNER)
    granted = writer.ask("grant", name="A", to={"user": "bob"}, actions=["read"], actor=OWNER)
    writer.ask("reopen", key=both, options={})
    page = writer.ask("rekey", limit=1, actor=OWNER)
    assert writer.ask("rekey", limit=1, after=page["next"], actor=OWNER)["next"] is None
    assert writer.ask("retire", key_id=old["id"], actor=OWNER) == {"id": old["id"], "state": "disabled"}
    told = [writer.ask(what, actor=OWNER, **given) for what, given in LOOKED_AT]
    # The other, with the new key alone.
    start(reader, writer.ask("dump"), OTHER_KEY)
    assert [reader.ask(what, actor=OWNER, **given) for what, given in LOOKED_AT] == told
    assert reader.ask("get", name="A", actor="bob")["value"] == b"second".hex()
    assert refusal(reader, "get", name="B", actor="bob")[0] == "PERMISSION_DENIED"
    presented = {
        value: reader.ask("verify", name="A", value=value.hex(), actor="bob") for value in (b"first", b"second")
    }
    assert [presented[value]["matches"] for value in (b"first", b"second")] == ["previous", "current"]
    reader.ask("rotate", name="B", actor=OWNER)
    made = bytes.fromhex(reader.ask("get", name="B", actor=OWNER)["value"]).decode()
    assert str(uuid.UUID(made)) == made
    reader.ask("revoke", name="A", id=granted["id"], actor=OWNER)
    reader.ask("revoke_previous", name="A", actor=OWNER)
    # And the first again, with keys in the old order and then in the new one.
    start(writer, reader.ask("dump"), f"{KEY},{OTHER_KEY}")
    assert refusal(writer, "set", name="A", value="00", actor=OWNER)[0] == "KEYRING_STALE"
    assert refusal(writer, "rekey", limit=1, actor=OWNER)[0] == "KEYRING_STALE"
    writer.ask("reopen", key=both, options={})
    assert refusal(writer, "get", name="A", actor="bob")[0] == "PERMISSION_DENIED"
    assert writer.ask("verify", name="A", value=b"first".hex(), actor=OWNER)["accepted"] is False
    assert writer.ask("get", name="B", actor=OWNER)["value"] == made.encode().hex()
    assert writer.ask("retire", key_id=old["id"], actor=OWNER)["state"] == "destroyed"
    writer.ask("verify_audit", actor=OWNER)


@pytest.mark.parametrize(("writer", "reader"), [("node", "python"), ("python", "node")], indirect=True)
def test_a_file_that_both_have_open_is_read_and_written_by_both(writer: Host, reader: Host, tmp_path: Path) -> None:
    options = {"confirm": ["set", "rotate", "delete"]}
    for host in (writer, reader):
        host.ask("open_file", path=str(tmp_path / "shared.db"), key=KEY, options=options)
    write(writer, STORED)
    found = read(reader, STORED)
    assert found["report"]["events"] == len(found["audit"]) + 4
    names = ["TEXT", "WIDE", "BYTE"]
    for name in names:
        reader.ask("set", name=name, value="00", actor="reader")
    # At once.
    for host in (writer, reader):
        host.tell("work", names=names, operations=60, actor=host.language)
    done = [host.answer() for host in (writer, reader)]
    listed = {each["name"]: each for each in writer.ask("list", namespace="default", actor="writer")}
    assert sum(listed[name]["accessed_count"] for name in names) == 1 + sum(sum(each["gets"].values()) for each in done)
    assert sum(listed[name]["version"] for name in names) == 4 + sum(each["writes"] for each in done)
    before = writer.ask("verify_audit", actor="writer")
    after = reader.ask("verify_audit", actor="reader")
    assert after == {**before, "events": before["events"] + 1}
    for host in (writer, reader):
        host.ask("close")


def of(rows: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    record: dict[str, Any] = next(
        record for record in rows["records"] if (record["key"]["kind"], record["key"]["name"]) == (kind, name)
    )
    return record


def event_of(rows: dict[str, Any], action: str) -> dict[str, Any]:
    event: dict[str, Any] = next(event for event in rows["events"] if event["action"] == action)
    return event


def swap_values(rows: dict[str, Any]) -> None:
    one, other = of(rows, "secret", "TEXT")["columns"], of(rows, "secret", "OF_2")["columns"]
    one["value_encrypted"], other["value_encrypted"] = other["value_encrypted"], one["value_encrypted"]


Tampering = Callable[[dict[str, Any]], Any]
TAMPERED: dict[tuple[str, str], dict[str, Tampering]] = {
    ("get", "RECORD_TAMPERED"): {
        "a value from another row": swap_values,
        "a creator": lambda rows: of(rows, "secret", "TEXT")["columns"].update(created_by="eve"),
        "a revision": lambda rows: of(rows, "secret", "TEXT").update(revision=7),
        "a stripped MAC": lambda rows: of(rows, "secret", "TEXT").update(mac=None),
        "a lost stream": lambda rows: rows["records"].remove(of(rows, "stream", "TEXT")),
    },
    ("get", "VAULT_HEAD_MISSING"): {
        "a lost head": lambda rows: rows["records"].remove(of(rows, "head", "vault")),
    },
    ("verify_audit", "AUDIT_TAMPERED"): {
        "an actor in the history": lambda rows: event_of(rows, "rotate").update(actor="eve"),
        "an instant in the history": lambda rows: event_of(rows, "get").update(at=1),
        "a lost event": lambda rows: rows["events"].remove(event_of(rows, "rotate")),
        "an event twice": lambda rows: rows["events"].append(copy.deepcopy(event_of(rows, "get"))),
        "a foreign event": lambda rows: rows["events"].append({"action": "get", "name": "TEXT"}),
    },
}


@pytest.mark.parametrize("writer", LANGUAGES, indirect=True)
def test_what_is_tampered_with_is_refused_by_all_in_the_same_words(writer: Host, hosts: dict[str, Host]) -> None:
    start(writer, EMPTY)
    write(writer, {"TEXT": b"one", "OF_2": b"two"})
    rows = writer.ask("dump")
    asked: dict[str, dict[str, Any]] = {
        "get": {"name": "TEXT", "actor": "alice"},
        "verify_audit": {"actor": "alice"},
    }
    for operation, code, what, tamper in (
        (*expected, what, tamper) for expected, all_of in TAMPERED.items() for what, tamper in all_of.items()
    ):
        altered = copy.deepcopy(rows)
        tamper(altered)
        said = {}
        for host in hosts.values():
            start(host, rows)
            host.ask(operation, **asked[operation])
            start(host, altered)
            said[host.language] = refusal(host, operation, **asked[operation])
        assert len(set(said.values())) == 1, (what, said)
        assert said["rust"][0] == code, (what, said)


@each_pair
def test_another_key_opens_nothing_of_a_vault(writer: Host, reader: Host) -> None:
    start(writer, EMPTY)
    writer.ask("set", name="A", value="00", actor="alice")
    start(reader, writer.ask("dump"), key=OTHER_KEY)
    assert refusal(reader, "get", name="A", actor="alice")[0] == "KEY_UNKNOWN"
    start(reader, writer.ask("dump"), key=f"{OTHER_KEY},{KEY}")
    assert reader.ask("get", name="A", actor="alice")["value"] == "00"
