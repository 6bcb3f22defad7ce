"""References in configuration, as a user has them: trees with secrets; and what a vault runs on besides a store."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from strongroom import AsyncRotator, Keyring, Rotation, Rotator, Secret, Vault, _native, aio, reveal_all
from strongroom._driver import Outcome, drive, run
from strongroom._host import FILE_MAX, Host, read_file
from strongroom._loop import run as run_in_loop
from strongroom.errors import (
    InvalidArgumentError,
    LimitExceededError,
    PermissionDeniedError,
    ReferenceInvalidError,
    ReferenceUnresolvedError,
    RotationFailedError,
    StorageFailedError,
)
from strongroom.stores import MemoryStore, Store
from test_leaks import told_by
from test_vault import VAULTS, Opens

if TYPE_CHECKING:
    from strongroom._driver import Steps

CANARY = "canary-value-of-a-secret"


@pytest.fixture(params=VAULTS)
def open_vault(request: pytest.FixtureRequest) -> Opens:
    return VAULTS[request.param]


@pytest.fixture
def vault(open_vault: Opens, keyring: Keyring, store: Store) -> Vault:
    vault = open_vault(keyring, store)
    vault.set("DB", "db-value", actor="alice")
    vault.set("BOT", "bot-value", actor="alice", namespace="nexus")
    return vault


def test_a_tree_comes_back_with_secrets_where_references_stood(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STRONGROOM_TEST_HOME", "/root")
    (tmp_path / "tls").write_bytes(b"\xff key\n")
    odd = object()
    tree = {
        "db": [{"password": "secret:DB", "user": "app", "port": 5432, "ratio": 0.5, 8: None}],
        "bots": ("secret:nexus:BOT", "secret:DB"),
        "home": "env:STRONGROOM_TEST_HOME",
        "tls": f"file:{tmp_path / 'tls'}",
        "escaped": "plain:secret:DB",
        "odd": odd,
    }
    found = vault.resolve(tree, actor="alice")
    password, bot = found["db"][0].pop("password"), found["bots"][0]
    assert (password.reveal(), bot.reveal(), found["home"].reveal()) == ("db-value", "bot-value", "/root")
    assert (password.details.name, bot.details.namespace, found["home"].details) == ("DB", "nexus", None)
    assert found["bots"][1] is password
    assert found["tls"].reveal_bytes() == b"\xff key\n"
    assert found["db"] == [{"user": "app", "port": 5432, "ratio": 0.5, 8: None}]
    assert (found["escaped"], found["odd"]) == ("secret:DB", odd)
    assert tree["escaped"] == "plain:secret:DB"
    assert "value" not in repr(found)
    counts = {each.name: each.accessed_count for each in vault.list(actor="alice")}
    assert counts == {"DB": 1, "BOT": 1}


def test_a_namespace_is_that_of_secrets_that_name_none(vault: Vault) -> None:
    assert vault.resolve("secret:BOT", actor="alice", namespace="nexus").reveal() == "bot-value"


def test_revealing_all_gives_texts_for_what_takes_no_secret(vault: Vault) -> None:
    env = vault.resolve({"A": "secret:DB", "B": ["x", 7]}, actor="alice")
    assert reveal_all(env) == {"A": "db-value", "B": ["x", 7]}
    assert isinstance(env["A"], Secret)


def test_the_file_of_a_variable_wins_when_it_is_there(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STRONGROOM_TEST", "own")
    monkeypatch.setenv("STRONGROOM_TEST_FILE", str(tmp_path / "value"))
    assert vault.resolve("env:STRONGROOM_TEST", actor="alice").reveal() == "own"
    (tmp_path / "value").write_text(" of the file\n")
    assert vault.resolve("env:STRONGROOM_TEST", actor="alice").reveal() == "of the file"


def test_all_that_is_wrong_is_in_one_error_by_place_with_the_cause(vault: Vault, tmp_path: Path) -> None:
    tree = {"a": [f"secret:{CANARY}"], "b": "env:STRONGROOM_TEST_UNSET", "c": f"file:{tmp_path}", "d": "secret:DB"}
    with pytest.raises(ReferenceUnresolvedError) as caught:
        vault.resolve(tree, actor="alice")
    message = str(caught.value)
    assert message.startswith("3 problems, and nothing was done: a[0]: Secret not found")
    assert "b: the variable is not set" in message
    assert "c: the file could not be read" in message
    assert CANARY not in message
    assert isinstance(caught.value.__cause__, OSError)
    assert vault.audit(actor="alice")[0].outcome == "error"


def test_trees_that_cannot_be_are_refused_without_a_word_of_them(vault: Vault) -> None:
    own: list[Any] = []
    own.append(own)
    for tree, error in [
        ({"a": f"secret:{CANARY}:x:y"}, ReferenceInvalidError),
        (own, LimitExceededError),
        ([f"secret:KEY_{number}" for number in range(501)], LimitExceededError),
        ({("a", 1): CANARY}, InvalidArgumentError),
        ({"1": CANARY, 1: CANARY}, InvalidArgumentError),
        ([CANARY, "\ud800"], InvalidArgumentError),
    ]:
        with pytest.raises(error) as caught:
            vault.resolve(tree, actor="alice")
        assert CANARY not in str(caught.value)
        assert CANARY not in repr(caught.value.__cause__)


def test_what_the_vault_is_told_to_read_by_is_read_by_that(open_vault: Opens, keyring: Keyring, store: Store) -> None:
    given: dict[str, Any] = {"A": "text", "B": b"\xff", "C": Secret("taken over")}
    vault = open_vault(keyring, store, read_env=given.get, read_file=lambda path: f"content of {path}")
    found = vault.resolve(["env:A", "env:B", "env:C", "file:x"], actor="alice")
    assert [each.reveal_bytes() for each in found] == [b"text", b"\xff", b"taken over", b"content of x"]
    with pytest.raises(InvalidArgumentError):
        given["C"].reveal()
    without = open_vault(keyring, store, read_env=None, read_file=None)
    with pytest.raises(ReferenceUnresolvedError, match=r"no environment here.*no files are read here"):
        without.resolve(["env:A", "file:x"], actor="alice")


def test_values_of_another_type_are_failures_of_who_gave_them(
    open_vault: Opens, keyring: Keyring, store: Store
) -> None:
    wrong: Any = {"A": 7, "B": f"{CANARY}\ud800"}
    vault = open_vault(keyring, store, read_env=wrong.get, read_file=wrong.get)
    for name in wrong:
        for reference in (f"env:{name}", f"file:{name}"):
            with pytest.raises(ReferenceUnresolvedError) as caught:
                vault.resolve(reference, actor="alice")
            assert caught.value.__cause__ is not None
            assert CANARY not in told_by(caught.value)


def test_what_reads_is_a_function(keyring: Keyring, store: Store) -> None:
    wrong: Any = "not a function"
    for opens in (Vault, aio.Vault):
        for name in ("read_env", "read_file"):
            with pytest.raises(InvalidArgumentError, match=name):
                opens(keyring, store, **{name: wrong})


def test_files_are_awaited_in_asyncio_and_refused_elsewhere(keyring: Keyring, store: Store) -> None:
    async def later(path: str) -> str:
        await asyncio.sleep(0)
        return f"content of {path}"

    given: Any = later
    found = asyncio.run(aio.Vault(keyring, store, read_file=later).resolve("file:x", actor="alice"))
    assert found.reveal() == "content of x"
    with pytest.raises(InvalidArgumentError, match="asynchronous"):
        Vault(keyring, store, read_file=given)
    with pytest.raises(InvalidArgumentError, match="asynchronous"):
        Vault(keyring, store, read_file=lambda path: given(path)).resolve("file:x", actor="alice")
    with pytest.raises(ReferenceUnresolvedError):
        Vault(keyring, store, read_env=lambda name: given(name)).resolve("env:X", actor="alice")


def test_a_failing_store_is_not_caused_by_a_file_that_failed_before(keyring: Keyring) -> None:
    class Refusing(MemoryStore):
        refuses = False

        def commit(self, change_set: Any, /) -> Any:
            return "failed" if self.refuses else super().commit(change_set)

    def fails(_: str) -> str:
        store.refuses = True
        raise OSError("of the file")

    store = Refusing()
    vault = Vault(keyring, store, read_file=fails)
    vault.set("DB", "db-value", actor="alice")
    with pytest.raises(ReferenceUnresolvedError) as caught:
        vault.resolve("file:x", actor="alice")
    assert str(caught.value.__cause__) == "of the file"
    with pytest.raises(StorageFailedError) as failed:
        vault.get("DB", actor="alice")
    assert failed.value.__cause__ is None


def test_a_denied_tree_reads_no_file(open_vault: Opens, keyring: Keyring, store: Store) -> None:
    asked: list[str] = []
    vault = open_vault(keyring, store, policy={"rules": []}, read_file=asked.append)
    with pytest.raises(PermissionDeniedError):
        vault.resolve(["file:x"], actor="bob")
    assert asked == []


def test_files_are_regular_ones_of_at_most_a_mebibyte(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for length in (0, 1, FILE_MAX):
        file.write_bytes(b"x" * length)
        secret = read_file(str(file))
        assert secret is not None
        assert len(secret.reveal_bytes()) == length
    file.write_bytes(b"x" * (FILE_MAX + 1))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for refused in (file, tmp_path, tmp_path / "pipe", tmp_path / "link", Path("/dev/zero")):
        with pytest.raises(OSError, match="no file of at most 1 MiB"):
            read_file(str(refused))
    assert read_file(str(tmp_path / "missing")) is None
    assert read_file(str(file / "below")) is None
    status = read_file("/proc/self/status")
    assert status is not None
    assert b"Name:" in status.reveal_bytes()


# Rotators: the driver alone, over a session that asks for a rotation.


class Asking:
    """A session that asks for one thing and then tells what it was answered."""

    def __init__(self, request: dict[str, Any], shown: Secret | None = None) -> None:
        self.request, self.shown, self.offered = request, shown, list[bytes]()

    def step(self, _: float, reply: str | None) -> tuple[str, str | None]:
        if reply is None:
            [(kind, content)] = self.request.items()
            return Asking._json({"ask": {"number": 1, "kind": kind}}), Asking._json(content)
        if '"failed"' in reply:
            return Asking._json({"failed": {"code": "ROTATION_FAILED", "message": "the rotator failed"}}), None
        return f'{{"done": {reply}}}', None

    def offer(self, value: _native.Secret) -> None:
        self.offered.append(value.reveal_bytes())

    def take_secret(self) -> _native.Secret | None:
        shown, self.shown = self.shown, None
        return None if shown is None else shown._handle

    def is_long(self) -> bool:
        return False

    def close(self) -> None:
        self.request = {}

    @staticmethod
    def _json(value: Any) -> str:
        return str(value).replace("'", '"')


ROTATION = Rotation("ab", "default", "DB", 2)


def rotate(step: str) -> dict[str, Any]:
    return {"rotate": {"step": step, "id": "ab", "namespace": "default", "name": "DB", "version": 2}}


def steps(session: Any, rotator: Rotator | AsyncRotator | None) -> Steps:
    return drive(session, Host(MemoryStore(), rotator=rotator), "rotate")


def in_loop(steps: Steps, _: str) -> Outcome:
    return asyncio.run(run_in_loop(steps))


RUNNERS: list[Callable[[Any, str], Outcome]] = [run, in_loop]


class Rotates:
    def __init__(self, created: Any) -> None:
        self.created, self.seen = created, list[Any]()

    def create(self, rotation: Rotation, /) -> Any:
        self.seen.append(rotation)
        return self.created

    def activate(self, rotation: Rotation, value: Secret, /) -> Any:
        self.seen += [rotation, value.reveal(), value]


class RotatesLater(Rotates):
    async def create(self, rotation: Rotation, /) -> Any:
        await asyncio.sleep(0)
        return super().create(rotation)

    async def activate(self, rotation: Rotation, value: Secret, /) -> None:
        await asyncio.sleep(0)
        super().activate(rotation, value)


CASES: list[tuple[Callable[[Any, str], Outcome], type[Rotates]]] = [
    (run, Rotates),
    (in_loop, Rotates),
    (in_loop, RotatesLater),
]


@pytest.mark.parametrize(("runs", "kind"), CASES)
@pytest.mark.parametrize("value", ["text", b"text", Secret("text")])
def test_a_rotator_creates_a_value_which_goes_beside_the_answer(
    runs: Callable[[Steps, str], Outcome], kind: type[Rotates], value: Any
) -> None:
    session, rotator = Asking(rotate("create")), kind(Secret("text") if isinstance(value, Secret) else value)
    told = runs(steps(session, rotator), "rotate").told
    assert told == {"number": 1, "answer": {"values": {"found": ["given"]}}}
    assert (session.offered, rotator.seen) == ([b"text"], [ROTATION])


@pytest.mark.parametrize(("runs", "kind"), CASES)
def test_a_rotator_activates_a_value_that_is_wiped_afterwards(
    runs: Callable[[Steps, str], Outcome], kind: type[Rotates]
) -> None:
    rotator = kind(None)
    told = runs(steps(Asking(rotate("activate"), Secret(CANARY)), rotator), "rotate").told
    assert told["answer"] == {"activated": {}}
    rotation, revealed, value = rotator.seen
    assert (rotation, revealed) == (ROTATION, CANARY)
    with pytest.raises(InvalidArgumentError):
        value.reveal()


@pytest.mark.parametrize(("runs", "kind"), CASES)
@pytest.mark.parametrize("value", [None, 7, f"{CANARY}\ud800"])
def test_what_no_value_can_be_is_a_failure_of_the_rotator(
    runs: Callable[[Steps, str], Outcome], kind: type[Rotates], value: Any
) -> None:
    rotator = kind(value)
    with pytest.raises(RotationFailedError) as caught:
        runs(steps(Asking(rotate("create")), rotator), "rotate")
    assert caught.value.__cause__ is not None
    rotator.created = None
    assert CANARY not in told_by(caught.value)


@pytest.mark.parametrize("runs", RUNNERS)
def test_no_rotator_is_unsupported(runs: Callable[[Steps, str], Outcome]) -> None:
    assert runs(steps(Asking(rotate("create")), None), "rotate").told["answer"] == {"unsupported": {}}


def test_a_rotator_to_be_awaited_is_refused_by_a_synchronous_vault() -> None:
    with pytest.raises(InvalidArgumentError, match="the rotator is asynchronous"):
        run(steps(Asking(rotate("create")), RotatesLater("x")), "rotate")
