"""One SQLite file that Node and Python have open at once, each in a process of its own; and the independent decoder."""

from __future__ import annotations

import base64
import json
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import strongroom
from sealed_v1 import Context, RefusedError, open_sealed
from strongroom import Actor, Keyring, Vault
from strongroom.errors import (
    ChangedSinceProposedError,
    ConfirmationMismatchError,
    KeyUnknownError,
    SecretNotFoundError,
    VaultHeadMissingError,
)
from strongroom.stores import SQLiteStore

from hosts.process import Host, program
from hosts.process import RefusedError as NodeError
from old_bot import OldBot

MATERIAL = secrets.token_bytes(32)
OTHER = secrets.token_bytes(32)
KEY = MATERIAL.hex()
KEYRING = Keyring.parse(KEY)
STORED = [b"\0", b"x", "caf\u00e9 \U0001f511\n".encode(), bytes(range(256)), *map(secrets.token_bytes, range(1, 200))]
ALICE = {"id": "alice", "platform": "telegram"}


@pytest.fixture(scope="module")
def node() -> Iterator[Host]:
    host = Host("node", program("node"))
    yield host
    host.close()


def test_both_are_of_one_version(node: Host) -> None:
    assert node.ask("version") == strongroom.__version__


# One file.


class Shared:
    """A vault in a file that both have open."""

    def __init__(self, node: Host, path: Path) -> None:
        self.node, self.path = node, path
        self.store = SQLiteStore(path)
        self.vault = Vault(KEYRING, self.store)
        node.ask("open_file", path=str(path), key=KEY, options={})

    def close(self) -> None:
        self.node.ask("close")
        self.store.close()


@pytest.fixture(params=["python first", "node first"])
def shared(node: Host, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shared]:
    path = tmp_path / "shared.db"
    if request.param == "node first":
        node.ask("open_file", path=str(path), key=KEY, options={})
        node.ask("set", name="FIRST", value=b"of node".hex(), actor="alice")
        node.ask("delete", name="FIRST", actor="alice")
    shared = Shared(node, path)
    yield shared
    shared.close()


def test_what_one_sets_the_other_reads_rotates_lists_and_verifies(shared: Shared) -> None:
    vault, node = shared.vault, shared.node
    for index, value in enumerate(STORED[:30]):
        name, space = f"K{index:02}", ["default", "nexus"][index % 2]
        if index % 3:
            vault.set(name, value, actor="python", namespace=space)
            told = node.ask("get", name=name, namespace=space, actor="node")
            assert (told["value"], told["format"], told["version"]) == (value.hex(), "sealed", 1)
            node.ask("rotate", name=name, value=value[::-1].hex(), namespace=space, actor=ALICE)
        else:
            node.ask("set", name=name, value=value.hex(), namespace=space, actor="node")
            assert vault.get(name, actor="python", namespace=space).reveal_bytes() == value
            vault.rotate(name, value[::-1], actor=Actor("alice", platform="telegram"), namespace=space)
    for index, value in enumerate(STORED[:30]):
        name, space = f"K{index:02}", ["default", "nexus"][index % 2]
        assert vault.get(name, actor="python", namespace=space).reveal_bytes() == value[::-1]
        assert node.ask("get", name=name, namespace=space, actor="node")["value"] == value[::-1].hex()
    ours = [
        (each.namespace, each.name, each.version, each.accessed_count, each.created_by)
        for each in vault.list(actor="p")
    ]
    listed = node.ask("list", actor="node")
    theirs = [
        (each["namespace"], each["name"], each["version"], each["accessed_count"], each["created_by"])
        for each in listed
    ]
    assert ours == theirs
    assert all(count == 3 for *_, count, _ in ours)
    verified = vault.verify_audit(actor="python")
    again = node.ask("verify_audit", actor="node")
    assert again["events"] == verified.events + 1
    assert again["streams"] == verified.streams


def test_history_and_instants_are_the_same_in_both(shared: Shared) -> None:
    vault, node = shared.vault, shared.node
    vault.set("A", "one", actor=Actor("alice", platform="telegram"))
    node.ask("rotate", name="A", value=b"two".hex(), actor=ALICE)
    with pytest.raises(NodeError, match="SECRET_NOT_FOUND"):
        node.ask("get", name="MISSING", actor="node")
    with pytest.raises(SecretNotFoundError):
        vault.get("MISSING", actor="python")
    theirs = node.ask("audit", actor="node", limit=100)
    ours = list(vault.audit(actor="python", limit=100))[1:]
    assert len(theirs) == len(ours) >= 5
    for their, our in zip(theirs, ours, strict=True):
        assert their["action"] == our.action
        assert (their.get("actor"), their.get("platform"), their.get("name")) == (our.actor, our.platform, our.name)
        assert (their["outcome"], their.get("code"), their["seq"]) == (our.outcome, our.code, our.seq)
        assert our.at is not None
        assert their["at"] == round(our.at.timestamp() * 1000)


@pytest.mark.parametrize("change", ["set", "rotate", "delete"])
def test_a_proposal_of_one_is_confirmed_in_the_other(shared: Shared, change: Any) -> None:
    vault, node = shared.vault, shared.node
    alice = Actor("alice", platform="telegram")
    value = None if change == "delete" else b"proposed value"
    given = {} if value is None else {"value": value.hex()}
    for round_, name in enumerate(("A", "B")):
        vault.set(name, "before", actor=alice)
        if round_:
            proposed = vault.propose(change, name, value, actor=alice)
            with pytest.raises(NodeError, match="CONFIRMATION_MISMATCH"):
                node.ask("confirm", id=proposed.id, actor="alice")
            first = node.ask("confirm", id=proposed.id, actor=ALICE)
            repeated = vault.confirm(proposed.id, actor=alice).repeated
        else:
            told = node.ask("propose", change=change, name=name, actor=ALICE, **given)
            assert told.get("masked") == (None if value is None else "prop****")
            with pytest.raises(ConfirmationMismatchError):
                vault.confirm(told["id"], actor="alice")
            done = vault.confirm(told["id"], actor=alice)
            first = {"repeated": done.repeated, "change": done.change}
            repeated = node.ask("confirm", id=told["id"], actor=ALICE)["repeated"]
        assert (first["repeated"], first["change"], repeated) == (False, change, True)
        if value is None:
            assert not vault.exists(name, actor=alice)
        else:
            assert vault.get(name, actor=alice).reveal_bytes() == value
            assert node.ask("get", name=name, actor=ALICE)["value"] == value.hex()


def test_a_change_by_the_other_is_seen_by_a_confirmation(shared: Shared) -> None:
    vault, node = shared.vault, shared.node
    vault.set("A", "one", actor="alice")
    proposed = vault.propose("rotate", "A", "two", actor="alice")
    node.ask("rotate", name="A", value=b"three".hex(), actor="bob")
    with pytest.raises(ChangedSinceProposedError):
        vault.confirm(proposed.id, actor="alice")
    other = node.ask("propose", change="rotate", name="A", value=b"four".hex(), actor="alice")
    vault.cancel(other["id"], actor="alice")
    with pytest.raises(NodeError, match="CONFIRMATION_NOT_FOUND"):
        node.ask("confirm", id=other["id"], actor="alice")


def test_commands_are_answered_alike(shared: Shared) -> None:
    vault, node = shared.vault, shared.node
    vault.command("secret set A sk_test_0123456789", actor="alice")
    for text in (
        "secret get A",
        "secret get MISSING",
        "secret",
        "nonsense",
        "secret audit B",
        "secret set A",
        "secret list x",
    ):
        told = node.ask("command", text=text, actor="alice")
        ours = vault.command(text, actor="alice")
        assert (told["text"], told["carried_value"], told.get("code")) == (ours.text, ours.carried_value, ours.code)


def test_both_at_once_lose_nothing(shared: Shared) -> None:
    vault, node, operations = shared.vault, shared.node, 300
    names = [f"K{index}" for index in range(5)]
    for name in names:
        vault.set(name, "start", actor="main")
    gets = dict.fromkeys(names, 0)
    writes = 0
    node.tell("work", names=names, operations=operations, actor="node")
    for number in range(operations):
        name = names[(number * 3 + 1) % len(names)]
        if number % 4 == 1:
            vault.rotate(name, f"value of python number {number}", actor="python")
            writes += 1
        else:
            assert vault.get(name, actor="python").reveal()
            gets[name] += 1
    theirs = node.answer()
    listed = {each.name: each for each in vault.list(actor="main")}
    assert {name: listed[name].accessed_count for name in names} == {
        name: gets[name] + theirs["gets"][name] for name in names
    }
    assert sum(listed[name].version for name in names) == len(names) + writes + theirs["writes"]
    before = vault.verify_audit(actor="main").events
    assert node.ask("verify_audit", actor="main")["events"] == before + 1
    made_at_once = [event.actor for event in vault.audit(actor="main", limit=1000) if event.actor in ("python", "node")]
    assert {made_at_once.count("python"), made_at_once.count("node")} == {operations}


def test_another_key_is_refused_in_both(shared: Shared, tmp_path: Path) -> None:
    shared.vault.set("A", "x", actor="alice")
    shared.node.ask("open_file", path=str(shared.path), key=OTHER.hex(), options={})
    with pytest.raises(NodeError, match="KEY_UNKNOWN"):
        shared.node.ask("get", name="A", actor="alice")
    with pytest.raises(KeyUnknownError):
        Vault(Keyring.parse(OTHER.hex()), shared.store).get("A", actor="alice")


@pytest.mark.parametrize("pinned_by", ["python", "node"])
def test_the_id_that_one_pins_is_the_other_s(shared: Shared, pinned_by: str) -> None:
    shared.vault.set("A", "x", actor="alice")
    own = head_of(shared.path)["vault_id"]

    def get(vault_id: str) -> None:
        if pinned_by == "python":
            Vault(KEYRING, shared.store, vault_id=vault_id).get("A", actor="alice")
        else:
            shared.node.ask("open_file", path=str(shared.path), key=KEY, options={"vault_id": vault_id})
            shared.node.ask("get", name="A", actor="alice")

    get(own)
    with pytest.raises((VaultHeadMissingError, NodeError), match=r"another vault"):
        get("00" * 16)


# Adoption.


def test_a_bot_s_database_adopted_by_one_is_read_by_the_other(node: Host, tmp_path: Path) -> None:
    for adopter in ("python", "node"):
        folder = tmp_path / adopter
        folder.mkdir()
        bot = OldBot(folder / "bot.db").create(120)
        key = bot.key_text
        if adopter == "python":
            with SQLiteStore(bot.path) as store:
                Vault(Keyring.parse(key), store).list(actor="alice")
            node.ask("open_file", path=str(bot.path), key=key, options={})
        else:
            node.ask("open_file", path=str(bot.path), key=key, options={})
            node.ask("list", actor="alice")
        assert Path(f"{bot.path}.before-strongroom").exists()
        with SQLiteStore(bot.path) as store:
            vault = Vault(Keyring.parse(key), store)
            for name, value in bot.values.items():
                if value is None:
                    with pytest.raises(NodeError, match="TOKEN_MALFORMED"):
                        node.ask("get", name=name, actor="alice")
                else:
                    told = node.ask("get", name=name, actor="alice")
                    assert (told["value"], told["format"]) == (value.hex(), "node_gcm")
                    assert vault.get(name, actor="alice").reveal_bytes() == value
            assert vault.verify_audit(actor="alice").unchained == bot.audit_rows
            assert node.ask("verify_audit", actor="alice")["unchained"] == bot.audit_rows
        node.ask("close")


def schema_of(path: Path) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    finally:
        connection.close()


def test_both_make_the_same_tables_of_the_same_database(node: Host, tmp_path: Path) -> None:
    bot = OldBot(tmp_path / "one.db").create(20)
    (tmp_path / "other.db").write_bytes(bot.path.read_bytes())
    Path(f"{tmp_path / 'other.db'}-wal").write_bytes(Path(f"{bot.path}-wal").read_bytes())
    for old, by_node in ((True, tmp_path / "other.db"), (False, tmp_path / "fresh.db")):
        by_python = bot.path if old else tmp_path / "fresh2.db"
        SQLiteStore(by_python).close()
        node.ask("open_file", path=str(by_node), key=KEY, options={})
        node.ask("close")
        assert schema_of(by_python) == schema_of(by_node)


# The independent decoder on what the vaults wrote.


def head_of(path: Path) -> dict[str, Any]:
    connection = sqlite3.connect(path)
    try:
        [[data]] = connection.execute("SELECT data FROM strongroom_records WHERE kind = 'head'").fetchall()
    finally:
        connection.close()
    head: dict[str, Any] = json.loads(data)
    return head


def test_the_decoder_opens_every_value_that_either_vault_wrote(shared: Shared) -> None:
    expected: dict[tuple[str, str], bytes] = {}
    for index, value in enumerate(STORED[:40]):
        name, space = f"K{index}", ["default", "nexus"][index % 2]
        if index % 4 < 2:
            shared.vault.set(name, b"replaced", actor="python", namespace=space)
            shared.node.ask("rotate", name=name, value=value.hex(), namespace=space, actor="node")
        else:
            shared.node.ask("set", name=name, value=b"replaced".hex(), namespace=space, actor="node")
            shared.vault.rotate(name, value, actor="python", namespace=space)
        expected[space, name] = value
    vault_id = bytes.fromhex(head_of(shared.path)["vault_id"])
    connection = sqlite3.connect(shared.path)
    rows = connection.execute("SELECT namespace, name, uid, version, value_encrypted, data FROM secrets").fetchall()
    connection.close()
    assert {(space, name) for space, name, *_ in rows} == set(expected)
    for space, name, uid, version, sealed, _ in rows:
        context = Context(
            purpose="secret", vault_id=vault_id, namespace=space, name=name, uid=bytes.fromhex(uid), version=version
        )
        assert version == 2
        assert open_sealed(sealed, [MATERIAL], context) == expected[space, name]
        for other_space, other_name, other_uid, *_ in rows:
            if (other_space, other_name) != (space, name):
                moved = Context("secret", vault_id, other_space, other_name, bytes.fromhex(other_uid), version)
                with pytest.raises(RefusedError, match="NOT_AUTHENTIC"):
                    open_sealed(sealed, [MATERIAL], moved)


def test_the_decoder_opens_the_root_and_the_proposals(shared: Shared) -> None:
    by_python = shared.vault.propose("set", "A", "proposed in python", actor="alice")
    by_node = shared.node.ask("propose", change="set", name="A", value=b"proposed in node".hex(), actor="alice")["id"]
    head = head_of(shared.path)
    vault_id = bytes.fromhex(head["vault_id"])
    [root] = head["roots"]
    opened = open_sealed(root["sealed"], [MATERIAL], Context("vault-root", vault_id, version=root["epoch"]))
    assert len(opened) == 32
    connection = sqlite3.connect(shared.path)
    found = dict(connection.execute("SELECT name, data FROM strongroom_records WHERE kind = 'pending'").fetchall())
    connection.close()
    for proposal, value in ((by_python.id, b"proposed in python"), (by_node, b"proposed in node")):
        uid = base64.urlsafe_b64decode(proposal + "==")
        context = Context("pending", vault_id, namespace="default", name="A", uid=uid)
        assert open_sealed(json.loads(found[proposal])["sealed"], [MATERIAL], context) == value
