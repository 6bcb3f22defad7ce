"""Many secrets at once: set_many, get_many, and the imports."""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from typing import Any

import pytest

from strongroom import Actor, Keyring, Secret, Vault
from strongroom.errors import (
    InvalidArgumentError,
    LimitExceededError,
    NameInvalidError,
    PermissionDeniedError,
    SecretExistsError,
    SecretNotFoundError,
    ValueInvalidError,
)
from strongroom.stores import MemoryStore, SQLiteStore
from test_vault import VAULTS

CANARY = "canary-7f3a9c51e2"


@pytest.fixture(params=["sync", "asyncio through"])
def vault(request: pytest.FixtureRequest, keyring: Keyring) -> Vault:
    return VAULTS[request.param](keyring, MemoryStore())


def values(vault: Vault, *names: str) -> list[str]:
    return [secret.reveal() for secret in vault.get_many(names, actor="alice").values()]


def test_many_values_are_set_and_read_in_their_order(vault: Vault) -> None:
    done = vault.set_many({"B": "b", "A": b"a", "C": Secret("c")}, actor="alice")
    assert [(each.name, each.version, each.created) for each in done.written] == [
        ("B", 1, True),
        ("A", 1, True),
        ("C", 1, True),
    ]
    assert (done.skipped, done.dry_run) == ([], False)
    found = vault.get_many(["A", "C", "B"], actor="alice")
    assert [(name, secret.reveal()) for name, secret in found.items()] == [("A", "a"), ("C", "c"), ("B", "b")]
    details = found["A"].details
    assert details is not None
    assert (details.version, details.format) == (1, "sealed")
    actions = [event.action for event in vault.audit(actor="alice")]
    assert actions[:8] == ["get", "get", "get", "get_many", "set", "set", "set", "set_many"]


def test_the_rest_that_set_takes_goes_beside_a_value(vault: Vault) -> None:
    vault.set_many(
        {"A": {"value": "a", "sensitivity": "critical", "notify": ["ops"]}, "B": {"generate": "hex"}}, actor="alice"
    )
    by_name = {state.name: state for state in vault.rotation_status(actor="alice").secrets}
    assert (by_name["A"].sensitivity, by_name["A"].notify) == ("critical", ["ops"])
    assert len(values(vault, "B")[0]) == 64
    with pytest.raises(InvalidArgumentError, match="unknown field `sensitivty`"):
        vault.set_many({"A": {"value": "a", "sensitivty": "high"}}, actor="alice")  # type: ignore[dict-item]
    with pytest.raises(InvalidArgumentError, match="1 secrets are to be given a value, and 0 values came"):
        vault.set_many({"A": {}}, actor="alice")


def test_what_is_there_is_replaced_skipped_or_fails_the_whole(vault: Vault) -> None:
    vault.set("A", "one", actor="alice")
    with pytest.raises(SecretExistsError, match=r"\[0\]: A exists"):
        vault.set_many({"A": "two", "B": "b"}, actor="alice", if_exists="fail")
    assert not vault.exists("B", actor="alice")
    skipped = vault.set_many({"A": "two", "B": "b"}, actor="alice", if_exists="skip").skipped
    assert [each.name for each in skipped] == ["A"]
    assert vault.set_many({"A": "two"}, actor="alice").written[0].version == 2
    with pytest.raises(InvalidArgumentError):
        vault.set_many({"A": "two"}, actor="alice", if_exists="overwrite")  # type: ignore[arg-type]


def test_a_dry_run_writes_nothing(vault: Vault) -> None:
    told = vault.set_many({"A": "a"}, actor="alice", dry_run=True)
    assert told.dry_run
    assert told.written[0].created
    assert not vault.exists("A", actor="alice")


def test_one_error_tells_all_problems_and_no_value(vault: Vault) -> None:
    with pytest.raises(NameInvalidError) as refused:
        vault.set_many({CANARY + " x": "a", "B": "", "C": "c"}, actor="alice")
    assert str(refused.value).startswith("2 problems")
    assert CANARY not in str(refused.value)
    with pytest.raises(SecretNotFoundError, match="2 problems") as missing:
        vault.get_many(["A", CANARY], actor="alice")
    assert CANARY not in str(missing.value)


def test_names_that_are_no_list_and_too_many_are_refused(vault: Vault) -> None:
    with pytest.raises(InvalidArgumentError, match="`names` is a list"):
        vault.get_many("AB", actor="alice")
    with pytest.raises(InvalidArgumentError, match="names the same secret"):
        vault.get_many(["A", "A"], actor="alice")
    with pytest.raises(LimitExceededError):
        vault.set_many({f"N{index}": "x" for index in range(501)}, actor="alice")
    assert vault.get_many([], actor="alice") == {}


@pytest.mark.parametrize(
    "given",
    [{"A": "fine", "B": [CANARY]}, [("A", CANARY)], {"A": {"value": [CANARY]}}, {"A": CANARY, "B": "\ud800" + CANARY}],
)
def test_what_cannot_be_taken_shows_in_no_traceback(vault: Vault, given: Any) -> None:
    def call() -> None:
        handed, given_list = given, None
        del given_list
        vault.set_many(handed, actor="alice")

    with pytest.raises((TypeError, InvalidArgumentError)) as refused:
        call()
    frames = traceback.TracebackException.from_exception(refused.value, capture_locals=True).stack
    inside = [frame for frame in frames if "/strongroom/" in frame.filename]
    assert inside
    assert CANARY not in "".join(str(frame.locals) for frame in inside)


def test_a_refused_write_of_many_shows_no_value_in_its_traceback(vault: Vault) -> None:
    with pytest.raises(ValueInvalidError) as refused:
        vault.set_many({"A": CANARY, "B": ""}, actor="alice")
    frames = traceback.TracebackException.from_exception(refused.value, capture_locals=True).stack
    inside = [frame for frame in frames if "/strongroom/" in frame.filename]
    assert CANARY not in "".join(str(frame.locals) for frame in inside)


def test_who_may_not_read_all_gets_none(keyring: Keyring) -> None:
    rules = [
        {"id": "all", "users": ["alice"], "actions": ["*"]},
        {"id": "b", "users": ["bob"], "actions": ["read"], "names": ["B"]},
    ]
    vault = Vault(keyring, MemoryStore(), policy={"rules": rules})
    vault.set_many({"A": "a", "B": "b"}, actor="alice")
    assert vault.get_many(["B"], actor=Actor("bob"))["B"].reveal() == "b"
    with pytest.raises(PermissionDeniedError):
        vault.get_many(["B", "A"], actor="bob")


def test_many_are_kept_by_sqlite(tmp_path: Path, keyring: Keyring) -> None:
    with SQLiteStore(tmp_path / "vault.db") as store:
        vault = Vault(keyring, store)
        given = {f"N{index}": f"value {index}" for index in range(500)}
        vault.set_many(given, actor="alice")
        found = vault.get_many(list(given), actor="alice")
        assert {name: secret.reveal() for name, secret in found.items()} == given
        assert vault.verify_audit(actor="alice").events == 3 + 500 + 1 + 500 - 1


# Imports.


def test_variables_are_imported_by_their_prefix_without_it(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_STRIPE", "sk_1")
    monkeypatch.setenv("SECRET_", "nothing but the prefix")
    monkeypatch.setenv("APP_TOKEN", "t")
    done = vault.import_env(actor="alice")
    assert [each.name for each in done.written] == ["STRIPE"]
    assert values(vault, "STRIPE") == ["sk_1"]
    assert vault.versions("STRIPE", actor="alice")[0].reason == "import"
    with pytest.raises(SecretExistsError, match="STRIPE: STRIPE exists"):
        vault.import_env(actor="alice")
    assert vault.import_env(actor="alice", if_exists="skip").skipped[0].name == "STRIPE"
    assert vault.import_env(actor="alice", prefix="APP_", dry_run=True).written[0].name == "TOKEN"


def test_variables_are_imported_by_name(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_TOKEN", "t")
    monkeypatch.setenv("APP_EMPTY", "")
    monkeypatch.delenv("APP_NONE", raising=False)
    assert vault.import_env(names=["APP_TOKEN"], actor="alice", namespace="app").written[0].namespace == "app"
    with pytest.raises(InvalidArgumentError, match=r"the variable \[1\] is not set"):
        vault.import_env(names=["APP_TOKEN", "APP_NONE"], actor="alice")
    with pytest.raises(ValueInvalidError, match="APP_EMPTY: the value is empty"):
        vault.import_env(names=["APP_EMPTY"], actor="alice")
    with pytest.raises(InvalidArgumentError):
        vault.import_env(names="APP_TOKEN", actor="alice")


def test_a_variable_that_is_no_text_is_imported_as_it_is(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_BYTES", "\udcff\udc00".replace("\udc00", "x"))
    vault.import_env(actor="alice")
    assert vault.get("BYTES", actor="alice").reveal_bytes() == b"\xffx"


def test_a_dotenv_file_is_imported_from_its_text(vault: Vault) -> None:
    text = "\ufeff# settings\r\nexport A='a # b' # c\r\nB=\"two\\nlines\"\r\n"
    done = vault.import_dotenv(text, actor="alice", namespace="app")
    assert [each.name for each in done.written] == ["A", "B"]
    found = vault.get_many(["A", "B"], actor="alice", namespace="app")
    assert [found["A"].reveal(), found["B"].reveal()] == ["a # b", "two\nlines"]
    assert vault.import_dotenv(b"SECRET_X=1\nOTHER=2\n", actor="alice", prefix="SECRET_").written[0].name == "X"
    assert vault.import_dotenv("# nothing\n", actor="alice").written == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"A=1\nA={CANARY}", "line 2: the name is there already"),
        (f"A=1\n{CANARY}", "line 2: there is no ="),
        (f"A='{CANARY}", "line 1: the quote is not closed"),
        (f'A="{CANARY}\\q"', "line 1: the escape is not known"),
        (f"A={CANARY}\0", "line 1: the value has a control character"),
        (b"A=" + CANARY.encode() + b"\n\xff", "line 2: it is not UTF-8"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_line_and_not_repeated(vault: Vault, text: Any, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said) as refused:
        vault.import_dotenv(text, actor="alice")
    assert CANARY not in str(refused.value)
    frames = traceback.TracebackException.from_exception(refused.value, capture_locals=True).stack
    inside = [frame for frame in frames if "/strongroom/" in frame.filename]
    assert CANARY not in "".join(str(frame.locals) for frame in inside)


def test_hostile_files_end_in_an_error_and_soon(vault: Vault) -> None:
    began = time.monotonic()
    for text in ("A=" + "x" * (11 << 20), "A=1\n" * (1 << 20), "\n".join(f"N{index}=x" for index in range(501))):
        with pytest.raises((LimitExceededError, InvalidArgumentError)):
            vault.import_dotenv(text, actor="alice")
    with pytest.raises(ValueInvalidError):
        vault.import_dotenv("A='" + "x\n" * (4 << 20) + "'", actor="alice")
    assert time.monotonic() - began < 30
