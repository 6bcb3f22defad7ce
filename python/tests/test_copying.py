"""A vault moves from store to store with its history: identical answers, a valid chain, and never half a vault."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from asynchronous import AsyncioStore
from cluster import Cluster
from old_bot import OldBot
from strongroom import Actor, AuditEvent, Keyring, SigningKey, Vault, aio
from strongroom.errors import (
    ConflictError,
    InvalidArgumentError,
    PermissionDeniedError,
    StorageFailedError,
    StrongroomError,
    VaultHeadMissingError,
)
from strongroom.stores import CommitAnswer, FileStore, MemoryStore, SQLAlchemyStore, SQLiteStore, Store

SECRETS = 600

SIGNING_KEY = SigningKey.generate(name="example.com/vault")


def makers(cluster: Cluster) -> list[tuple[str, Callable[[Path], AbstractContextManager[Store]]]]:
    """Where the vault moves, one after the other: each opens an empty store, in a folder of its own."""
    schema = f"t_{secrets.token_hex(6)}"
    return [
        ("postgresql", lambda _: SQLAlchemyStore(cluster.url(), schema=schema)),
        ("file", lambda folder: nullcontext(FileStore(folder / "secrets.json.enc"))),
        ("sqlite", lambda folder: SQLiteStore(folder / "vault.db")),
        ("memory", lambda _: nullcontext(MemoryStore())),
    ]


def live_in(vault: Vault) -> None:
    """A vault that has seen everything."""
    for start in range(0, SECRETS, 250):
        names = [f"S{number:05}" for number in range(start, start + 250)]
        vault.set_many({name: f"value of {name}" for name in names}, actor="alice", namespace="many")
        vault.set_many({name: f"next of {name}" for name in names[:50]}, actor="alice", namespace="many")
    vault.set("A", "a one", actor="alice", sensitivity="critical", notify=["ops"], generator="hex")
    for number in range(12):
        vault.rotate("A", f"a {number}", actor="alice")
    vault.rotate("A", "a last", actor="alice", grace=timedelta(hours=1))
    vault.set("ENDED", "over", actor="alice", expires_in=timedelta(milliseconds=1))
    vault.set("OFF", "off", actor="alice")
    vault.disable("OFF", actor="alice")
    vault.set("GONE", "gone", actor="alice")
    vault.delete("GONE", actor="alice")
    vault.set("AGAIN", "once", actor="alice")
    vault.delete("AGAIN", actor="alice")
    vault.set("AGAIN", "twice", actor="alice")
    for _ in range(3):
        vault.get("A", actor="alice")
    rules = [{"id": "owner", "users": ["alice"], "actions": ["*"]}, {"id": "b", "roles": ["b"], "actions": ["list"]}]
    vault.set_policy({"rules": rules}, actor="alice")
    vault.grant("A", user="bob", actions=["read"], actor="alice")
    vault.renew_root(actor="alice", limit=500)
    with pytest.raises(PermissionDeniedError):
        vault.get("A", actor="mallory")


def answers(vault: Vault, proposal: str) -> dict[str, Any]:
    """What the vault says to everything that can be asked, the history first, which the others write into."""
    name = {"name": "A", "actor": "alice"}
    told: dict[str, Any] = {
        "audit": vault.audit(actor="alice", limit=1000),
        "audit of one": vault.audit("A", actor="alice", limit=1000),
        "audit of what is gone": vault.audit("GONE", actor="alice"),
        "verify_audit": vault.verify_audit(actor="alice"),
        "list": vault.list(actor="alice"),
        "list of a role": vault.list(actor=Actor("carol", roles=["b"])),
        "rotation_status": vault.rotation_status(actor="alice"),
        "due": vault.due(actor="alice", ahead=timedelta(days=60)),
        "due all": [state.name for state in vault.due(actor="alice", ahead=timedelta(days=365))],
        "versions": vault.versions(**name),
        "grants": vault.grants(**name),
        "policy": vault.policy(actor="alice"),
        "census": vault.census(actor="alice"),
        "identify": [vault.identify(value, actor="alice") for value in ("a last", "a 11", "a 10", "next of S00003")],
        "verify": [vault.verify("A", value, actor="alice") for value in ("a last", "a 11", "a 10")],
        "by grant": vault.get("A", actor="bob").reveal(),
        "get": {each.name: value_of(vault, each.namespace, each.name) for each in vault.list(actor="alice")[::53]},
        "counters": [(each.name, each.accessed_count) for each in vault.list(actor="alice")],
        "confirm": vault.confirm(proposal, actor="alice").written.version,
        "verified once more": vault.verify_audit(actor="alice").events,
        "exists": [vault.exists(name, actor="alice") for name in ("A", "GONE", "OFF", "ENDED", "AGAIN")],
    }
    told["get all versions"] = [
        (each.number, value_of_version(vault, "A", each.number)) for each in vault.versions(**name)
    ]
    # All but the times of what was just asked.
    told["export_audit"] = [
        [event[field] for field in ("stream", "seq", "action", "name", "actor", "outcome")]
        for event in map(json.loads, vault.export_audit(actor="alice"))
    ]
    # At the end: the clock says how many proposals are over by then.
    told["purge"] = vault.purge(actor="alice").secrets
    return told


def value_of_version(vault: Vault, name: str, number: int) -> str:
    try:
        vault.rollback(name, number, actor="alice")
    except StrongroomError as error:
        return error.code
    return value_of(vault, "default", name)


def value_of(vault: Vault, namespace: str, name: str) -> str:
    try:
        return vault.get(name, actor="alice", namespace=namespace).reveal()
    except StrongroomError as error:
        return error.code


def test_a_vault_moves_from_store_to_store_with_its_history(tmp_path: Path, cluster: Cluster) -> None:
    bot = OldBot(tmp_path / "bot.db").create(50)
    keyring = Keyring.parse(bot.key_text)
    with ExitStack() as stores:
        vault = Vault(keyring, stores.enter_context(SQLiteStore(bot.path)))
        live_in(vault)
        checkpoints: list[str] = []
        for number, (name, make) in enumerate(makers(cluster)):
            folder = tmp_path / str(number)
            folder.mkdir()
            target = stores.enter_context(make(folder))
            proposal = vault.propose("rotate", "A", "a proposed", actor="alice").id
            there = len(vault.list(actor="alice"))
            checkpoints.append(vault.checkpoint(actor="alice", signing_key=SIGNING_KEY))
            copied = vault.copy_to(target, actor="alice")
            assert (copied.secrets, copied.left) == (there, 0), name
            assert there > SECRETS + 50
            assert copied.proposals >= 1
            moved = Vault(keyring, target, vault_id=copied.vault_id)
            before, after = answers(vault, proposal), answers(moved, proposal)
            for what in before:
                assert before[what] == after[what], f"{name}: {what}"
            report = after["verify_audit"]
            # Those of the three looks at the history came since.
            assert report.events + report.unchained == copied.events + 3
            assert report.unchained >= 50
            # Those that were kept before the first move, too.
            for kept in checkpoints:
                moved.verify_audit(actor="alice", checkpoint=kept, verifiers=[SIGNING_KEY.verifier()])
            vault = moved


@pytest.fixture
def small(keyring: Keyring, tmp_path: Path) -> Iterator[Vault]:
    with SQLiteStore(tmp_path / "small.db") as store:
        vault = Vault(keyring, store)
        vault.set_many({f"S{number}": "value" for number in range(300)}, actor="alice")
        yield vault


def test_asyncio_vaults_are_copied_to_stores_of_either_kind(keyring: Keyring, tmp_path: Path) -> None:
    async def main() -> None:
        with SQLiteStore(tmp_path / "vault.db") as store:
            vault = aio.Vault(keyring, AsyncioStore(store))
            await vault.set("A", "one", actor="alice")
            for target in (MemoryStore(), AsyncioStore(MemoryStore())):
                copied = await vault.copy_to(target, actor="alice")
                assert copied.secrets == 1
                moved = aio.Vault(keyring, target)
                assert (await moved.get("A", actor="alice")).reveal() == "one"
                await moved.verify_audit(actor="alice")

    asyncio.run(main())


def test_what_is_no_store_to_copy_to_is_refused(small: Vault, keyring: Keyring) -> None:
    with pytest.raises(InvalidArgumentError, match="that is no store to copy to"):
        small.copy_to(cast("Store", "vault.db"), actor="alice")
    with pytest.raises(InvalidArgumentError, match="the store is asynchronous") as raised:
        small.copy_to(cast("Store", AsyncioStore(MemoryStore())), actor="alice")
    assert raised.value.operation == "copy_to"
    target = MemoryStore()
    Vault(keyring, target).set("A", "of another", actor="alice")
    with pytest.raises(InvalidArgumentError, match="the target store is not empty: it has a vault"):
        small.copy_to(target, actor="alice")
    with pytest.raises(InvalidArgumentError, match="the target store is not empty: it has a vault"):
        small.copy_to(cast("Any", small)._host.store, actor="alice")
    assert [event.outcome for event in small.audit(actor="alice", limit=2)] == ["error", "error"]


def test_only_who_may_everything_copies_a_vault_and_hooks_are_told_once(keyring: Keyring) -> None:
    told: list[AuditEvent] = []
    store = MemoryStore()
    vault = Vault(keyring, store, on_event=told.append)
    vault.set("A", "one", actor="alice")
    vault.set_policy({"rules": [{"id": "owner", "users": ["alice"], "actions": ["*"]}]}, actor="alice")
    target = MemoryStore()
    with pytest.raises(PermissionDeniedError):
        vault.copy_to(target, actor="bob")
    assert target.events({"scope": "latest", "limit": 1}, None)["events"] == []
    told.clear()
    vault.copy_to(target, actor="alice")
    assert [(event.action, event.outcome, event.rule) for event in told] == [("copy_to", "success", "owner")]


class FailingStore(SQLiteStore):
    """Fails at a commit, and from then on."""

    commits_left = 1

    def commit(self, change_set: dict[str, Any], /) -> CommitAnswer:
        if self.commits_left == 0:
            raise OSError(28, "No space left on device")
        self.commits_left -= 1
        return super().commit(change_set)


def test_a_target_that_fails_is_no_vault_and_what_it_raised_is_the_cause(
    small: Vault, keyring: Keyring, tmp_path: Path
) -> None:
    with FailingStore(tmp_path / "target.db") as target:
        with pytest.raises(StorageFailedError, match="in the target store") as raised:
            small.copy_to(target, actor="alice")
        assert isinstance(raised.value.__cause__, OSError)
        with pytest.raises(VaultHeadMissingError):
            Vault(keyring, target).list(actor="alice")
        with pytest.raises(InvalidArgumentError, match="a part of a vault without its head"):
            small.copy_to(target, actor="alice")
    small.copy_to(MemoryStore(), actor="alice")


class Interrupted(MemoryStore):
    """Somebody uses the vault while it is copied."""

    def __init__(self, use: Callable[[], object]) -> None:
        super().__init__()
        self.use = use

    def commit(self, change_set: dict[str, Any], /) -> CommitAnswer:
        self.use()
        return super().commit(change_set)


def test_a_vault_that_is_used_meanwhile_is_not_copied(small: Vault, keyring: Keyring) -> None:
    target = Interrupted(lambda: small.get("S0", actor="bob"))
    with pytest.raises(ConflictError, match="the vault was used while it was copied"):
        small.copy_to(target, actor="alice")
    with pytest.raises(VaultHeadMissingError):
        Vault(keyring, target).list(actor="alice")


COPY = """
import os
import signal
import sys
from strongroom import Keyring, Vault
from strongroom.stores import SQLiteStore

key, source, target, kill_at, when = sys.argv[1:]


class Killed(SQLiteStore):
    commits = 0

    def commit(self, change_set, /):
        self.commits += 1
        if self.commits == int(kill_at) and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = super().commit(change_set)
        if self.commits == int(kill_at):
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


with SQLiteStore(source) as store, Killed(target) as other:
    Vault(Keyring.parse(key), store).copy_to(other, actor="alice")
"""


def test_a_copy_that_is_killed_is_no_vault_or_whole(small: Vault, keyring: Keyring, tmp_path: Path) -> None:
    ends = []
    # The secrets in two commits, then the head.
    for kill_at in ("1", "2", "3"):
        for when in ("before", "after"):
            path = tmp_path / f"{when}-{kill_at}.db"
            arguments = [keyring.dangerous_export(), str(tmp_path / "small.db"), str(path), kill_at, when]
            done = subprocess.run([sys.executable, "-c", COPY, *arguments], check=False)
            assert done.returncode == -signal.SIGKILL
            with SQLiteStore(path) as target:
                moved = Vault(keyring, target)
                has_events = bool(target.events({"scope": "latest", "limit": 1}, None)["events"])
                has_head = bool(target.list({"kind": "head", "namespace": None, "limit": 1}, None)["items"])
                ends.append((has_events, has_head))
                if has_head:
                    assert len(moved.list(actor="alice")) == 300
                    moved.verify_audit(actor="alice")
                elif has_events:
                    with pytest.raises(VaultHeadMissingError):
                        moved.list(actor="alice")
    assert ends == [(False, False), *[(True, False)] * 4, (True, True)]
    small.verify_audit(actor="alice")
