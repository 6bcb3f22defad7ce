"""Rotation by the host's rotator: processes killed with -9 at every moment, failures and their causes, asyncio."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import traceback
from datetime import timedelta
from pathlib import Path

import pytest

import rotating
from rotating import Provider
from strongroom import Keyring, Rotation, Secret, Vault, Written, aio
from strongroom.errors import (
    ConflictError,
    InvalidArgumentError,
    RotationFailedError,
    SecretNotFoundError,
    ValueInvalidError,
)
from strongroom.stores import MemoryStore, SQLiteStore, Store

CANARY = "canary-7d1f0a52"
AFTER_CREATE = "after what was created is committed"


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    provider = Provider(tmp_path / "provider.json")
    provider.start_with("the first")
    return provider


def prepared(keyring: Keyring, store: Store) -> Vault:
    vault = Vault(keyring, store)
    vault.set("DB_PASSWORD", "the first", actor="alice")
    return vault


def current(vault: Vault) -> str:
    return vault.get("DB_PASSWORD", actor="reader").reveal()


def run_process(database: Path, keyring: Keyring, provider: Path, where: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, rotating.__file__, str(database), keyring.dangerous_export(), str(provider), where]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("where", rotating.WHERE)
def test_a_process_that_is_killed_is_resumed_by_the_next(
    tmp_path: Path, keyring: Keyring, provider: Provider, where: str
) -> None:
    database, path = tmp_path / "vault.db", tmp_path / "provider.json"
    with SQLiteStore(database) as store:
        vault = prepared(keyring, store)
        # Twice: whoever resumes may die as well.
        for _ in range(2):
            died = run_process(database, keyring, path, where)
            assert provider.accepts(current(vault)), "whoever has the vault's value is let in"
            # Who resumes creates nothing, and lives where that is what it would die at.
            assert died.returncode == -9 or (not died.returncode and where == AFTER_CREATE), died.stderr
        ended = {AFTER_CREATE: 1, "after the end is committed": 2}.get(where, 0)
        assert current(vault) == (f"issued {ended} of DB_PASSWORD" if ended else "the first")
        done = run_process(database, keyring, path, "nowhere")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"{ended + 2}\n"
        assert current(vault) == provider.state["in_use"] == f"issued {ended + 1} of DB_PASSWORD"
        assert len({value for *_, value in provider.state["activations"]}) == ended + 1
        vault.verify_audit(actor="judge")
    assert b"issued" not in database.read_bytes(), "no value is in the file in the clear"


def test_a_rotator_gets_the_rotation_and_the_value_that_it_gave(keyring: Keyring, store: Store) -> None:
    seen: list[Rotation] = []
    shown: list[Secret] = []

    class Rotator:
        def create(self, rotation: Rotation, /) -> Secret:
            seen.append(rotation)
            return Secret(CANARY)

        def activate(self, rotation: Rotation, value: Secret, /) -> None:
            seen.append(rotation)
            assert value.reveal() == CANARY
            shown.append(value)

    vault = prepared(keyring, store)
    vault.set("KEY", "first", actor="alice", namespace="nexus")
    written = vault.rotate(
        "KEY",
        rotator=Rotator(),
        actor="alice",
        namespace="nexus",
        grace=timedelta(hours=1),
        expires_in=timedelta(days=1),
    )
    assert (written.version, written.created) == (2, False)
    assert seen[0] == seen[1]
    assert (seen[0].namespace, seen[0].name, seen[0].version) == ("nexus", "KEY", 2)
    assert len(seen[0].id) == 32
    with pytest.raises(InvalidArgumentError):
        shown[0].reveal()
    assert vault.verify("KEY", "first", actor="alice", namespace="nexus").matches == "previous"
    assert vault.get("KEY", actor="alice", namespace="nexus").reveal() == CANARY
    actions = [event.action for event in vault.audit("KEY", actor="alice", namespace="nexus")]
    assert actions[-4:] == ["rotate", "rotate_create", "rotate_begin", "set"]


class Failing:
    """Fails at a step until it is told to work."""

    def __init__(self, step: str) -> None:
        self.step: str | None = step
        self.asked: list[tuple[str, str]] = []

    def create(self, rotation: Rotation, /) -> str:
        self.asked.append(("create", rotation.id))
        if self.step == "create":
            raise OSError("the provider is down")
        return CANARY

    def activate(self, rotation: Rotation, value: Secret, /) -> None:
        self.asked.append(("activate", rotation.id))
        if self.step == "activate":
            raise OSError("the provider is down")
        assert value.reveal() == CANARY


@pytest.mark.parametrize("step", ["create", "activate"])
def test_what_a_rotator_raises_is_the_cause_and_the_next_call_goes_on(
    keyring: Keyring, store: Store, step: str
) -> None:
    vault, rotator = prepared(keyring, store), Failing(step)
    with pytest.raises(RotationFailedError, match="run it again") as failed:
        vault.rotate("DB_PASSWORD", rotator=rotator, actor="alice")
    assert isinstance(failed.value.__cause__, OSError)
    assert failed.value.retryable
    told = "".join(traceback.TracebackException.from_exception(failed.value, capture_locals=True).format())
    assert CANARY not in told
    assert current(vault) == "the first"
    rotator.step = None
    assert vault.rotate("DB_PASSWORD", rotator=rotator, actor="bob").version == 2
    assert current(vault) == CANARY
    names = [name for name, _ in rotator.asked]
    assert names == (["create", "create", "activate"] if step == "create" else ["create", "activate", "activate"])
    assert len({rotation_id for _, rotation_id in rotator.asked}) == 1
    event = next(event for event in vault.audit("DB_PASSWORD", actor="judge") if event.outcome == "error")
    assert event.code == "ROTATION_FAILED"


def test_a_value_gives_up_what_cannot_be_activated(keyring: Keyring, store: Store) -> None:
    vault, rotator = prepared(keyring, store), Failing("activate")
    with pytest.raises(RotationFailedError):
        vault.rotate("DB_PASSWORD", rotator=rotator, actor="alice")
    vault.set("DB_PASSWORD", "by hand", actor="alice")
    rotator.step = None
    assert vault.rotate("DB_PASSWORD", rotator=rotator, actor="alice").version == 3
    assert [name for name, _ in rotator.asked] == ["create", "activate", "create", "activate"]
    assert rotator.asked[0][1] != rotator.asked[2][1], "another rotation"


def test_what_others_write_meanwhile_stays(keyring: Keyring, store: Store) -> None:
    vault = prepared(keyring, store)

    class Overtaken(Failing):
        def create(self, rotation: Rotation, /) -> str:
            if self.step == "create":
                vault.set("DB_PASSWORD", "by hand", actor="bob")
            return CANARY

        def activate(self, rotation: Rotation, value: Secret, /) -> None:
            vault.set("DB_PASSWORD", "by hand", actor="bob")

    with pytest.raises(ConflictError, match="not activated"):
        vault.rotate("DB_PASSWORD", rotator=Overtaken("create"), actor="alice")
    with pytest.raises(RotationFailedError, match="run again") as failed:
        vault.rotate("DB_PASSWORD", rotator=Overtaken("activate"), actor="alice")
    assert failed.value.__cause__ is None
    assert current(vault) == "by hand"


@pytest.mark.parametrize("bad", ["", "x" * 70_000, None, 7])
def test_what_is_no_value_is_refused(keyring: Keyring, store: Store, bad: str) -> None:
    class Bad(Failing):
        def create(self, rotation: Rotation, /) -> str:
            return bad

    vault = prepared(keyring, store)
    with pytest.raises(ValueInvalidError if isinstance(bad, str) else RotationFailedError):
        vault.rotate("DB_PASSWORD", rotator=Bad("never"), actor="alice")
    assert current(vault) == "the first"
    assert vault.rotate("DB_PASSWORD", rotator=Failing("never"), actor="alice").version == 2


def test_a_rotator_beside_a_value_and_what_is_no_rotator_are_refused(keyring: Keyring, store: Store) -> None:
    vault, rotator = prepared(keyring, store), Failing("never")
    with pytest.raises(InvalidArgumentError):
        vault.rotate("DB_PASSWORD", CANARY, rotator=rotator, actor="alice")
    with pytest.raises(InvalidArgumentError):
        vault.rotate("DB_PASSWORD", generate="hex", rotator=rotator, actor="alice")
    with pytest.raises(InvalidArgumentError, match="create"):
        vault.rotate("DB_PASSWORD", rotator=object(), actor="alice")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError):
        vault.rotate("DB_PASSWORD", rotator=rotator, grace=timedelta(days=400), actor="alice")
    with pytest.raises(SecretNotFoundError):
        vault.rotate("MISSING", rotator=rotator, actor="alice")
    assert rotator.asked == []
    assert len(vault.versions("DB_PASSWORD", actor="alice")) == 1


class Asynchronous:
    def __init__(self) -> None:
        self.activated: list[str] = []

    async def create(self, rotation: Rotation, /) -> str:
        await asyncio.sleep(0)
        return f"{CANARY} {rotation.version}"

    async def activate(self, rotation: Rotation, value: Secret, /) -> None:
        await asyncio.sleep(0)
        self.activated.append(value.reveal())


def test_a_synchronous_vault_refuses_an_asynchronous_rotator_before_it_begins(keyring: Keyring, store: Store) -> None:
    vault = prepared(keyring, store)
    with pytest.raises(InvalidArgumentError, match=r"strongroom\.aio"):
        vault.rotate("DB_PASSWORD", rotator=Asynchronous(), actor="alice")  # type: ignore[arg-type]
    assert "rotate_begin" not in [event.action for event in vault.audit("DB_PASSWORD", actor="alice")]


def test_an_asyncio_vault_takes_rotators_of_both_kinds(keyring: Keyring, store: Store) -> None:
    prepared(keyring, store)
    vault, rotator = aio.Vault(keyring, store), Asynchronous()

    async def rotated() -> tuple[Written, Written]:
        first = await vault.rotate("DB_PASSWORD", rotator=rotator, actor="alice")
        return first, await vault.rotate("DB_PASSWORD", rotator=Failing("never"), actor="alice")

    assert [written.version for written in asyncio.run(rotated())] == [2, 3]
    assert rotator.activated == [f"{CANARY} 2"]


def test_a_rotation_that_is_cancelled_is_resumed(keyring: Keyring) -> None:
    store = MemoryStore()
    prepared(keyring, store)
    vault, ids, reached = aio.Vault(keyring, store), [], asyncio.Event()

    class Slow(Asynchronous):
        async def activate(self, rotation: Rotation, value: Secret, /) -> None:
            ids.append((rotation.id, value.reveal()))
            if len(ids) == 1:
                reached.set()
                await asyncio.sleep(60)

    async def cancelled() -> Written:
        task = asyncio.create_task(vault.rotate("DB_PASSWORD", rotator=Slow(), actor="alice"))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await vault.rotate("DB_PASSWORD", rotator=Slow(), actor="alice")

    assert asyncio.run(cancelled()).version == 2
    assert ids[0] == ids[1]
