"""Faults: at every request of every operation the store fails in every way. All or nothing, and the truth in the end.

Each operation is first run on a healthy store, to count its requests. Then it is run once for each request and each
fault, on a store of its own.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom import Keyring, Listed, SigningKey, StrongroomError, Vault
from strongroom.errors import AuditTamperedError, ConflictError, StorageFailedError
from strongroom.stores import MemoryStore, NothingAppliedError, SQLiteStore, Store

# The second key is there to be retired.
KEYRING = Keyring.parse(f"{Keyring.generate().dangerous_export()},{Keyring.generate().dangerous_export()}")
ONE, TWO = "the first value of it", "the second value of it"


class StoreFaultError(Exception):
    """What a failing store raises."""


class Faulty:
    """A store whose `nth` request goes wrong; all of them when `nth` is None."""

    def __init__(self, store: Store, nth: int | None, fault: Callable[[str, Callable[[], Any]], Any]) -> None:
        self._store, self._nth, self._fault, self.requests = store, nth, fault, 0

    def load(self, keys: Any, /) -> Any:
        return self._do("load", lambda: self._store.load(keys))

    def list(self, query: Any, cursor: Any, /) -> Any:
        return self._do("list", lambda: self._store.list(query, cursor))

    def commit(self, change_set: Any, /) -> Any:
        return self._do("commit", lambda: self._store.commit(change_set))

    def events(self, query: Any, cursor: Any, /) -> Any:
        return self._do("events", lambda: self._store.events(query, cursor))

    def _do(self, kind: str, call: Callable[[], Any]) -> Any:
        self.requests += 1
        return self._fault(kind, call) if self._nth in (None, self.requests) else call()


def healthy(_: str, call: Callable[[], Any]) -> Any:
    return call()


def throws_before(_: str, call: Callable[[], Any]) -> Any:
    raise StoreFaultError("before")


def throws_after(_: str, call: Callable[[], Any]) -> Any:
    call()
    raise StoreFaultError("after")


def answers(wrong: Any) -> Callable[[str, Callable[[], Any]], Any]:
    def fault(_: str, call: Callable[[], Any]) -> Any:
        call()
        return wrong

    return fault


def another_record(kind: str, call: Callable[[], Any]) -> Any:
    answer = call()
    if kind == "load":
        key = {"kind": "secret", "namespace": "default", "name": "NOBODY"}
        return [*answer, {"key": key, "revision": 1, "data": "{}"}]
    return answer


def one_record_twice(kind: str, call: Callable[[], Any]) -> Any:
    answer = call()
    return answer + answer if kind == "load" else answer


def an_endless_page(kind: str, call: Callable[[], Any]) -> Any:
    answer = call()
    return {**answer, "cursor": "x"} if kind in ("list", "events") else answer


FAULTS = {
    "throws before": throws_before,
    "throws after it applied": throws_after,
    "answers nothing": answers(None),
    "answers a number": answers(5),
    "answers an object": answers({"records": 1, "items": "x", "events": None, "cursor": 5}),
    "answers what is no JSON": answers(object()),
    "answers NaN": answers([float("nan")]),
    "answers no Unicode": answers(["\ud800"]),
    "answers with another record": another_record,
    "answers one record twice": one_record_twice,
    "answers pages without end": an_endless_page,
}


@dataclass
class Operation:
    """An operation, and how to see from outside whether it was done."""

    call: Callable[[Vault, dict[str, str]], Any]
    done: Callable[[Vault, dict[str, str]], bool] | None = None
    prepare: Callable[[Vault], dict[str, str] | None] | None = None
    """What it needs in the vault besides, and what is to be known of that."""


def value_of(vault: Vault, name: str = "A") -> str | None:
    return vault.get(name, actor="judge").reveal() if vault.exists(name, actor="judge") else None


def is_cancelled(vault: Vault, known: dict[str, str]) -> bool:
    with pytest.raises(StrongroomError) as caught:
        vault.confirm(known["to cancel"], actor="nobody else's")
    return caught.value.code != "CONFIRMATION_MISMATCH" or "cancel" in last_actions(vault)


def last_actions(vault: Vault) -> list[str | None]:
    return [
        event.action for event in vault.audit(actor="judge", limit=1000) if event.actor == "alice" and event.success
    ]


def of_b(vault: Vault) -> Listed:
    [listed] = [each for each in vault.list(actor="judge") if each.name == "B"]
    return listed


def has_grace(vault: Vault) -> bool:
    return any(version.valid_until for version in vault.versions("B", actor="judge"))


def with_b(vault: Vault) -> None:
    vault.set("B", ONE, actor="alice", generator="hex")


def with_b_disabled(vault: Vault) -> None:
    with_b(vault)
    vault.disable("B", actor="alice")


def with_b_in_grace(vault: Vault) -> None:
    with_b(vault)
    vault.rotate("B", TWO, actor="alice", grace=HOUR)


def with_a_grant(vault: Vault) -> dict[str, str]:
    return {"grant": vault.grant("A", actor="alice", user="bob", actions=["read"]).id}


HOUR = timedelta(hours=1)
SIGNING_KEY = SigningKey.generate()
POLICY = {"rules": [{"id": "all", "users": ["alice", "judge", "nobody else's"], "actions": ["*"]}]}

OPERATIONS = {
    "set a new one": Operation(
        lambda vault, _: vault.set("NEW", TWO, actor="alice"), lambda vault, _: value_of(vault, "NEW") == TWO
    ),
    "set": Operation(lambda vault, _: vault.set("A", TWO, actor="alice"), lambda vault, _: value_of(vault) == TWO),
    "rotate": Operation(
        lambda vault, _: vault.rotate("A", TWO, actor="alice"), lambda vault, _: value_of(vault) == TWO
    ),
    "delete": Operation(lambda vault, _: vault.delete("A", actor="alice"), lambda vault, _: value_of(vault) is None),
    "confirm": Operation(
        lambda vault, known: vault.confirm(known["to confirm"], actor="alice"), lambda vault, _: value_of(vault) == TWO
    ),
    "get": Operation(lambda vault, _: vault.get("A", actor="alice")),
    "exists": Operation(lambda vault, _: vault.exists("A", actor="alice")),
    "list": Operation(lambda vault, _: vault.list(actor="alice")),
    "audit": Operation(lambda vault, _: vault.audit("A", actor="alice")),
    "verify_audit": Operation(lambda vault, _: vault.verify_audit(actor="alice")),
    "checkpoint": Operation(lambda vault, _: vault.checkpoint(actor="alice", signing_key=SIGNING_KEY)),
    "propose": Operation(lambda vault, _: vault.propose("rotate", "A", TWO, actor="alice")),
    "cancel": Operation(lambda vault, known: vault.cancel(known["to cancel"], actor="alice"), is_cancelled),
    "set a generated one": Operation(
        lambda vault, _: vault.set("NEW", actor="alice", generate="hex", expires_in=HOUR, notify=["ops"]),
        lambda vault, _: value_of(vault, "NEW") is not None,
    ),
    "rotate with grace": Operation(
        lambda vault, _: vault.rotate("B", actor="alice", grace=HOUR), lambda vault, _: has_grace(vault), with_b
    ),
    "disable": Operation(
        lambda vault, _: vault.disable("B", actor="alice"), lambda vault, _: of_b(vault).state == "disabled", with_b
    ),
    "enable": Operation(
        lambda vault, _: vault.enable("B", actor="alice"),
        lambda vault, _: of_b(vault).state == "active",
        with_b_disabled,
    ),
    "resolve": Operation(lambda vault, _: vault.resolve({"a": ["secret:A", "INFO"]}, actor="alice")),
    "versions": Operation(lambda vault, _: vault.versions("A", actor="alice")),
    "rollback": Operation(
        lambda vault, _: vault.rollback("B", 1, actor="alice"),
        lambda vault, _: value_of(vault, "B") == ONE,
        with_b_in_grace,
    ),
    "verify": Operation(lambda vault, _: vault.verify("A", ONE, actor="alice")),
    "verify a previous": Operation(lambda vault, _: vault.verify("B", ONE, actor="alice"), prepare=with_b_in_grace),
    "verify a wrong": Operation(lambda vault, _: vault.verify("A", TWO, actor="alice")),
    "revoke_previous": Operation(
        lambda vault, _: vault.revoke_previous("B", actor="alice"),
        lambda vault, _: not has_grace(vault),
        with_b_in_grace,
    ),
    "expire": Operation(
        lambda vault, _: vault.expire("B", actor="alice", expires_in=HOUR),
        lambda vault, _: of_b(vault).expires_at is not None,
        with_b,
    ),
    "purge": Operation(lambda vault, _: vault.purge(actor="alice")),
    "rotation_status": Operation(lambda vault, _: vault.rotation_status(actor="alice")),
    "set_policy": Operation(
        lambda vault, _: vault.set_policy(POLICY, actor="alice"),
        lambda vault, _: vault.policy(actor="judge").policy is not None,
    ),
    "policy": Operation(lambda vault, _: vault.policy(actor="alice")),
    "grant": Operation(
        lambda vault, _: vault.grant("A", actor="alice", role="staff", actions=["read"]),
        lambda vault, _: len(vault.grants("A", actor="judge")) > 0,
    ),
    "revoke": Operation(
        lambda vault, known: vault.revoke("A", known["grant"], actor="alice"),
        lambda vault, _: vault.grants("A", actor="judge") == [],
        with_a_grant,
    ),
    "grants": Operation(lambda vault, _: vault.grants("A", actor="alice")),
    "census": Operation(lambda vault, _: vault.census(actor="alice")),
    "retire": Operation(
        lambda vault, _: vault.retire(KEYRING.keys[1].id, actor="alice"),
        lambda vault, _: "retire" in last_actions(vault),
    ),
    "adopt": Operation(lambda vault, _: vault.adopt(actor="alice")),
    "command": Operation(
        lambda vault, _: vault.command(f"secret rotate A {TWO}", actor="alice"), lambda vault, _: value_of(vault) == TWO
    ),
}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strongroom._driver.time.sleep", lambda seconds: None)


def furnished(operation: Operation | None = None) -> tuple[Store, dict[str, str]]:
    store = MemoryStore()
    vault = Vault(KEYRING, store)
    vault.set("A", ONE, actor="alice")
    proposals = {
        "to confirm": vault.propose("rotate", "A", TWO, actor="alice").id,
        "to cancel": vault.propose("delete", "A", actor="alice").id,
    }
    prepared = operation.prepare(vault) if operation is not None and operation.prepare is not None else None
    return store, proposals | (prepared or {})


def requests_of(operation: Operation) -> int:
    store, known = furnished(operation)
    counting = Faulty(store, None, healthy)
    operation.call(Vault(KEYRING, counting), known)
    return counting.requests


def accesses(vault: Vault) -> int:
    listed = [each for each in vault.list(actor="judge") if each.name == "A"]
    return listed[0].accessed_count if listed else 0


def successes(vault: Vault, action: str) -> int:
    return last_actions(vault).count(action)


def test_every_operation_meets_its_faults() -> None:
    asked = {name: requests_of(operation) for name, operation in OPERATIONS.items()}
    assert asked.pop("exists") == 1
    assert all(2 <= requests <= 12 for requests in asked.values()), asked


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_fault_at_any_request_leaves_all_or_nothing(name: str, fault: str) -> None:
    operation = OPERATIONS[name]
    for nth in range(1, requests_of(operation) + 1):
        store, known = furnished(operation)
        faulty = Faulty(store, nth, FAULTS[fault])
        error: StrongroomError | None = None
        try:
            operation.call(Vault(KEYRING, faulty), known)
        except StorageFailedError as caught:
            error = caught
        except AuditTamperedError:
            # A store that tells its events twice is found out by the operations that look for it.
            assert name in ("verify_audit", "adopt", "checkpoint")
            assert fault == "answers pages without end"
            continue
        assert faulty.requests >= nth
        assert error is None or error.retryable
        if error is not None and fault.startswith("throws"):
            assert isinstance(error.__cause__, StoreFaultError)

        judge = Vault(KEYRING, store)
        judge.verify_audit(actor="judge")
        if operation.done is not None:
            assert operation.done(judge, known) == (error is None), f"request {nth}"
        if name in ("get", "verify"):
            assert accesses(judge) == successes(judge, name) == (1 if error is None else 0), f"request {nth}"
        # Made again, it succeeds, unless it had been done.
        if error is not None:
            operation.call(judge, known)
            judge.verify_audit(actor="judge")


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_lost_reply_to_a_commit_is_asked_for_again_and_applied_once(name: str) -> None:
    operation = OPERATIONS[name]
    store, known = furnished(operation)
    commits = 0

    def lose_once(kind: str, call: Callable[[], Any]) -> Any:
        nonlocal commits
        answer = call()
        commits += kind == "commit"
        if kind == "commit" and commits == 1:
            raise StoreFaultError("the reply got lost")
        return answer

    before = len(Vault(KEYRING, store).audit(actor="judge", limit=1000))
    operation.call(Vault(KEYRING, Faulty(store, None, lose_once)), known)
    judge = Vault(KEYRING, store)
    assert commits == (0 if name == "exists" else 2)
    # The judge's first audit is in the history by now, too.
    events = {"exists": 0, "resolve": 2}.get(name, 1)
    assert len(judge.audit(actor="judge", limit=1000)) - before == 1 + events
    assert operation.done is None or operation.done(judge, known)
    judge.verify_audit(actor="judge")


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "exists"])
def test_a_store_that_never_answers_a_commit_is_an_error_and_not_a_loop(name: str) -> None:
    def lose(kind: str, call: Callable[[], Any]) -> Any:
        if kind == "commit":
            raise StoreFaultError("gone")
        return call()

    store, known = furnished(OPERATIONS[name])
    faulty = Faulty(store, None, lose)
    with pytest.raises(StorageFailedError, match="not known whether") as caught:
        OPERATIONS[name].call(Vault(KEYRING, faulty), known)
    assert str(caught.value.__cause__) == "gone"
    assert faulty.requests <= requests_of(OPERATIONS[name]) + 2


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "exists"])
def test_a_commit_that_failed_for_certain_is_not_asked_for_again(name: str) -> None:
    store, known = furnished(OPERATIONS[name])
    faulty = Faulty(store, None, lambda kind, call: "failed" if kind == "commit" else call())
    with pytest.raises(StorageFailedError, match="applied nothing"):
        OPERATIONS[name].call(Vault(KEYRING, faulty), known)
    # A purge has proposals to look for once its first commit is done, and so have writes that purge in passing.
    in_passing = name in ("set a new one", "set a generated one", "propose")
    assert faulty.requests == requests_of(OPERATIONS[name]) - in_passing or name in LONG
    assert value_of(Vault(KEYRING, store)) == ONE


@pytest.mark.parametrize("reason", [None, OSError("no room")])
def test_a_commit_that_says_why_it_applied_nothing_is_not_asked_for_again(reason: OSError | None) -> None:
    store, known = furnished(OPERATIONS["delete"])
    error = NothingAppliedError("nothing was written")

    def fail(kind: str, call: Any) -> Any:
        if kind == "commit":
            raise error from reason
        return call()

    faulty = Faulty(store, None, fail)
    with pytest.raises(StorageFailedError, match="applied nothing") as caught:
        OPERATIONS["delete"].call(Vault(KEYRING, faulty), known)
    assert caught.value.__cause__ is (reason or error)
    assert faulty.requests == requests_of(OPERATIONS["delete"])
    assert value_of(Vault(KEYRING, store)) == ONE


def test_what_applied_nothing_the_second_time_may_have_applied_it_the_first() -> None:
    store, known = furnished(OPERATIONS["delete"])
    errors = [StoreFaultError("gone"), NothingAppliedError("nothing was written")]

    def fail(kind: str, call: Any) -> Any:
        if kind == "commit" and errors:
            raise errors.pop(0)
        return call()

    OPERATIONS["delete"].call(Vault(KEYRING, Faulty(store, None, fail)), known)
    assert not errors


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "exists"])
def test_conflicts_without_end_are_an_error_and_change_nothing(name: str) -> None:
    store, known = furnished(OPERATIONS[name])
    faulty = Faulty(store, None, lambda kind, call: "conflict" if kind == "commit" else call())
    if name == "command":
        assert OPERATIONS[name].call(Vault(KEYRING, faulty), known).code == "CONFLICT"
    else:
        with pytest.raises(ConflictError) as caught:
            OPERATIONS[name].call(Vault(KEYRING, faulty), known)
        assert caught.value.retryable
    assert value_of(Vault(KEYRING, store)) == ONE


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "exists"])
def test_conflicts_that_end_are_nobody_s_business(name: str) -> None:
    store, known = furnished(OPERATIONS[name])
    left = 20

    def conflict(kind: str, call: Callable[[], Any]) -> Any:
        nonlocal left
        if kind == "commit" and left > 0:
            left -= 1
            return "conflict"
        return call()

    OPERATIONS[name].call(Vault(KEYRING, Faulty(store, None, conflict)), known)
    assert left == 0
    Vault(KEYRING, store).verify_audit(actor="judge")


def purged(keyring: Keyring, store: Store) -> None:
    Vault(keyring, store).purge(actor="alice")


def rekeyed(keyring: Keyring, store: Store) -> None:
    Vault(keyring, store).rekey(actor="alice", limit=2)


def nothing_is_expired(judge: Vault) -> bool:
    return [each.name for each in judge.list(actor="judge")] == ["A", "C"]


def all_is_under_one_key(judge: Vault) -> bool:
    census = judge.census(actor="judge")
    return len(census.keys) == 1 and census.unreadable == 0


LONG = {"purge": (purged, nothing_is_expired), "rekey": (rekeyed, all_is_under_one_key)}
"""Operations of several commits: cut short, they have done a part, and made again they do the rest."""


def furnished_for_long() -> tuple[Keyring, Store]:
    """Under an old key, and the keyring that is to take over."""
    old, store = Keyring.generate(), MemoryStore()
    vault = Vault(old, store)
    for name, expires_in in (
        ("A", None),
        ("B", timedelta(milliseconds=1)),
        ("C", HOUR),
        ("D", timedelta(milliseconds=1)),
    ):
        vault.set(name, ONE, actor="alice")
        vault.rotate(name, f"{TWO} {name}", actor="alice", expires_in=expires_in)
    vault.propose("set", "E", ONE, actor="alice")
    started = time.time()
    while time.time() < started + 0.003:
        pass
    return Keyring.parse(f"{Keyring.generate().dangerous_export()},{old.dangerous_export()}"), store


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", LONG)
def test_an_operation_of_several_commits_is_finished_by_being_made_again(name: str, fault: str) -> None:
    call, done = LONG[name]
    nth, met = 0, 0
    while True:
        nth += 1
        keyring, store = furnished_for_long()
        if name == "purge":
            rekeyed(keyring, store)
        faulty = Faulty(store, nth, FAULTS[fault])
        failed = False
        try:
            call(keyring, faulty)
        except StorageFailedError:
            failed = True
        if faulty.requests < nth:
            break
        met += 1
        judge = Vault(keyring, store)
        judge.verify_audit(actor="judge")
        for value in ("A", "C"):
            assert judge.get(value, actor="judge").reveal() == f"{TWO} {value}", f"request {nth}"
        if failed:
            call(keyring, store)
        assert done(judge), f"request {nth}"
        judge.verify_audit(actor="judge")
    assert met >= 6


@pytest.mark.parametrize("fault", ["throws before", "throws after it applied"])
def test_a_fault_while_a_store_is_initialised_leaves_one_vault(fault: str) -> None:
    def requests() -> int:
        counting = Faulty(MemoryStore(), None, healthy)
        Vault(KEYRING, counting).set("A", ONE, actor="alice")
        return counting.requests

    for nth in range(1, requests() + 1):
        store = MemoryStore()
        try:
            Vault(KEYRING, Faulty(store, nth, FAULTS[fault])).set("A", ONE, actor="alice")
        except StorageFailedError:
            Vault(KEYRING, store).set("A", ONE, actor="alice")
        judge = Vault(KEYRING, store)
        assert judge.get("A", actor="judge").details.version == 1  # type: ignore[union-attr]
        assert last_actions(judge).count("set") == 1
        judge.verify_audit(actor="judge")


def test_no_value_leaves_before_its_event_is_committed() -> None:
    order: list[str] = []

    def note(kind: str, call: Callable[[], Any]) -> Any:
        answer = call()
        order.append(kind)
        return answer

    store, _ = furnished()
    secret = Vault(KEYRING, Faulty(store, None, note)).get("A", actor="alice")
    assert order == ["load", "commit"]
    assert secret.reveal() == ONE


KILLED = """
import itertools, sys
from strongroom import Keyring, Vault
from strongroom.stores import SQLiteStore
vault = Vault(Keyring.parse(sys.argv[2]), SQLiteStore(sys.argv[1]))
for number in itertools.count(1):
    vault.set("A", f"value {number}", actor="victim")
    print(number, flush=True)
    vault.get("A", actor="victim")
    print("got", flush=True)
"""


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.011, 0.023, 0.05])
def test_a_process_killed_at_any_moment_leaves_a_whole_vault(tmp_path: Path, delay: float) -> None:
    path = tmp_path / "vault.db"
    command = [sys.executable, "-c", KILLED, str(path), KEYRING.dangerous_export()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
        told = ["1", *process.stdout.read().split("\n")]
    sets = max(int(line) for line in told if line.isdigit())
    gets = told.count("got")
    with SQLiteStore(path) as store:
        vault = Vault(KEYRING, store)
        vault.verify_audit(actor="judge")
        [listed] = vault.list(actor="judge")
        # What was told is there; what was under way is there or not.
        assert sets <= listed.version <= sets + 1
        assert gets <= listed.accessed_count <= gets + 1
        assert listed.accessed_count == sum(
            event.action == "get" for event in vault.audit("A", actor="judge", limit=1000)
        )
        assert vault.get("A", actor="judge").reveal() == f"value {listed.version}"


def test_a_full_disk_is_an_error_and_nothing_is_half_done(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    with SQLiteStore(path) as store:
        vault = Vault(KEYRING, store, value_max=1_000_000)
        vault.set("A", ONE, actor="alice")
        [pages] = store._connection.execute("PRAGMA page_count").fetchone()
        store._connection.execute(f"PRAGMA max_page_count = {pages + 5}")
        with pytest.raises(StorageFailedError) as caught:
            vault.set("A", os.urandom(500_000), actor="alice")
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        assert "full" in str(caught.value.__cause__)
        store._connection.execute("PRAGMA max_page_count = 1000000")
        assert value_of(vault) == ONE
        vault.verify_audit(actor="judge")
