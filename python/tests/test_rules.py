"""The vault's rules as a user meets them, under a clock of the test's own: policy and grants, versions, rotation with
grace, the end of values, and the change of keys.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from strongroom import Actor, Keyring, Policy, Rekeyed, StrongroomError, Vault, aio
from strongroom.errors import (
    InvalidArgumentError,
    KeyInUseError,
    KeyringStaleError,
    LimitExceededError,
    NameInvalidError,
    PermissionDeniedError,
    SecretDisabledError,
    SecretExpiredError,
    SecretNotFoundError,
    SessionExpiredError,
    UnsupportedError,
    VersionNotFoundError,
)
from strongroom.stores import MemoryStore, SQLiteStore, Store
from test_vault import VAULTS, Opens

HOUR, DAY, INSTANT = timedelta(hours=1), timedelta(days=1), timedelta(milliseconds=1)


class Clock:
    """What time it is, to the millisecond."""

    def __init__(self) -> None:
        self.now = datetime(2027, 3, 1, 12, tzinfo=timezone.utc)

    def __call__(self) -> float:
        # Half a millisecond on, so that no rounding loses one.
        return self.now.timestamp() + 0.0005


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("strongroom._driver.time.time", clock)
    return clock


@pytest.fixture(params=["sync", "asyncio through"])
def open_vault(request: pytest.FixtureRequest) -> Opens:
    return VAULTS[request.param]


@pytest.fixture
def vault(open_vault: Opens, keyring: Keyring, store: Store) -> Vault:
    return open_vault(keyring, store)


def code_of(call: Callable[[], object]) -> str:
    try:
        call()
    except StrongroomError as error:
        return error.code
    return "allowed"


# Policy.

LEAD, ENGINEER, ANALYST, NOBODY = (
    Actor("lena", roles=["senior-engineer"]),
    Actor("ed", roles=["engineer"]),
    Actor("ana", roles=("analyst", "guest")),
    Actor("nora"),
)


def everything(vault: Vault) -> dict[str, Callable[[Actor], object]]:
    """A call of every operation that a policy has a say in, by the permission that it needs."""
    return {
        "read get": lambda who: vault.get("A", actor=who),
        "read exists": lambda who: vault.exists("A", actor=who),
        "read versions": lambda who: vault.versions("A", actor=who),
        "read verify": lambda who: vault.verify("A", "two", actor=who),
        "read audit": lambda who: vault.audit("A", actor=who),
        "read verify_audit": lambda who: vault.verify_audit(actor=who),
        "list rotation_status": lambda who: vault.rotation_status(actor=who),
        "list list": lambda who: vault.list(actor=who),
        "write set": lambda who: vault.set("A", "three", actor=who),
        "write set a new one": lambda who: vault.set("NEW", actor=who, generate="hex"),
        "write rotate": lambda who: vault.rotate("A", "three", actor=who),
        "write rollback": lambda who: vault.rollback("A", 1, actor=who),
        "write disable": lambda who: vault.disable("A", actor=who),
        "write enable": lambda who: vault.enable("A", actor=who),
        "write revoke_previous": lambda who: vault.revoke_previous("A", actor=who),
        "write expire": lambda who: vault.expire("A", actor=who),
        "write propose": lambda who: vault.propose("rotate", "A", "x", actor=who),
        "admin grant": lambda who: vault.grant("A", actor=who, user="bob", actions=["read"]),
        "admin grants": lambda who: vault.grants("A", actor=who),
        "admin policy": lambda who: vault.policy(actor=who),
        "admin census": lambda who: vault.census(actor=who),
        "admin rekey": lambda who: vault.rekey(actor=who),
        "admin retire": lambda who: vault.retire("ab" * 32, actor=who),
        "admin adopt": lambda who: vault.adopt(actor=who),
        "delete purge": lambda who: vault.purge(actor=who),
        "delete propose": lambda who: vault.propose("delete", "A", actor=who),
        "delete delete": lambda who: vault.delete("A", actor=who),
    }


def rows(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All that a store holds but its history."""
    database = sqlite3.connect(path)
    try:
        secrets = database.execute("SELECT * FROM secrets ORDER BY id").fetchall()
        records = database.execute(
            "SELECT * FROM strongroom_records WHERE kind <> 'stream' ORDER BY kind, namespace, name"
        )
        return {"secrets": secrets, "records": records.fetchall()}
    finally:
        database.close()


@pytest.mark.parametrize(
    ("who", "permissions"),
    [
        (LEAD, {"read", "list", "write", "delete", "admin"}),
        (ENGINEER, {"read"}),
        (ANALYST, {"read"}),
        (NOBODY, set()),
    ],
    ids=["senior engineer", "engineer", "analyst", "nobody"],
)
def test_roles_may_what_the_default_policy_says_and_a_denial_leaves_nothing_but_its_event(
    open_vault: Opens, keyring: Keyring, tmp_path: Path, who: Actor, permissions: set[str]
) -> None:
    path = tmp_path / "vault.db"
    with SQLiteStore(path) as store:
        vault = open_vault(keyring, store, policy=Policy.default())
        vault.set("A", "one", actor=LEAD)
        vault.set("A", "two", actor=LEAD)
        for name, call in everything(vault).items():
            before, events = rows(path), vault.verify_audit(actor=LEAD).events
            code = code_of(lambda call=call: call(who))  # type: ignore[misc]
            if name.split()[0] in permissions:
                assert code == ("KEY_UNKNOWN" if name == "admin retire" else "allowed"), name
                continue
            assert code == "PERMISSION_DENIED", name
            assert rows(path) == before, name
            # The denial, and the verification before it.
            assert vault.verify_audit(actor=LEAD).events == events + 2, name
            # A name that no secret had is not written down.
            [denial] = [event for event in vault.audit(actor=LEAD, limit=1000) if event.actor == who.id][:1]
            assert (denial.outcome, denial.code, denial.success) == ("denied", "PERMISSION_DENIED", False)
            assert denial.name in ("A", None)


def test_a_policy_that_is_stored_holds_for_every_process_and_says_so(
    vault: Vault, keyring: Keyring, store: Store
) -> None:
    document = {
        "rules": [
            {"id": "owners", "users": ["olga"], "actions": ["*"]},
            {"id": "shop", "roles": ["shop"], "actions": ["read", "list"], "namespaces": ["shop"], "names": ["API_*"]},
        ],
        "members": {"sam": ["shop"]},
    }
    for name in ("API_A", "OTHER"):
        vault.set(name, "value", actor="olga", namespace="shop")
    vault.set("API_A", "value", actor="olga", namespace="bank")
    assert vault.policy(actor="anybody").policy is None
    vault.set_policy(document, actor="olga")
    other = Vault(keyring, store)
    told = other.policy(actor="olga")
    assert told.fixed is False
    assert told.policy is not None
    assert told.policy["members"] == {"sam": ["shop"]}
    assert [rule["id"] for rule in told.policy["rules"]] == ["owners", "shop"]
    assert other.get("API_A", actor="sam", namespace="shop").reveal() == "value"
    assert [(each.namespace, each.name) for each in other.list(actor="sam")] == [("shop", "API_A")]
    for name, namespace in (("OTHER", "shop"), ("API_A", "bank")):
        with pytest.raises(PermissionDeniedError, match="permission denied"):
            other.get(name, actor="sam", namespace=namespace)
    # Membership comes from the policy, or from the host's word.
    assert other.get("API_A", actor=Actor("kim", roles=["shop"]), namespace="shop").reveal() == "value"
    for call in (
        lambda: other.set_policy("default", actor="sam"),
        lambda: other.policy(actor="sam"),
        lambda: other.get("API_A", actor="kim", namespace="shop"),
    ):
        assert code_of(call) == "PERMISSION_DENIED"
    # What would lock its maker out is refused.
    assert code_of(lambda: other.set_policy("default", actor="olga")) == "INVALID_ARGUMENT"
    assert other.policy(actor="olga") == told
    other.set_policy(Policy.default(), actor=Actor("olga", roles=["senior-engineer"]))
    assert code_of(lambda: other.get("API_A", actor="olga", namespace="shop")) == "PERMISSION_DENIED"


def test_a_policy_that_is_fixed_in_code_cannot_be_set(open_vault: Opens, keyring: Keyring, store: Store) -> None:
    document = {"rules": [{"id": "all", "users": ["olga"], "actions": ["*"]}]}
    vault = open_vault(keyring, store, policy=document)
    vault.set("A", "value", actor="olga")
    told = vault.policy(actor="olga")
    assert told.fixed
    with pytest.raises(UnsupportedError, match="fixed in code"):
        vault.set_policy("default", actor="olga")
    # Nor does a stored one weaken it.
    open_vault(keyring, store).set_policy(
        {"rules": [{"id": "all", "users": ["olga", "eve"], "actions": ["*"]}]}, actor="olga"
    )
    assert code_of(lambda: vault.get("A", actor="eve")) == "PERMISSION_DENIED"
    assert open_vault(keyring, store).get("A", actor="eve").reveal() == "value"


def test_not_even_the_first_use_of_a_store_is_beyond_a_fixed_policy(
    open_vault: Opens, keyring: Keyring, store: Store
) -> None:
    vault = open_vault(keyring, store, policy="default")
    with pytest.raises(PermissionDeniedError):
        vault.set("A", "value", actor=ENGINEER)
    assert vault.set("A", "value", actor=LEAD).created


@pytest.mark.parametrize(
    "policy",
    [
        "root",
        "",
        5,
        ["rules"],
        {},
        {"rules": [{"id": "x", "actions": ["*"]}]},
        {"rules": [{"id": "x", "users": ["u"], "actions": ["fly"]}]},
        {"rules": [{"id": "x", "users": ["u"], "actions": ["*"], "namespace": "shop"}]},
    ],
)
def test_a_policy_that_cannot_be_read_opens_nothing(open_vault: Opens, keyring: Keyring, policy: Any) -> None:
    for given in (policy, Policy(policy)):
        with pytest.raises(InvalidArgumentError):
            open_vault(keyring, MemoryStore(), policy=given)
        with pytest.raises(InvalidArgumentError):
            open_vault(keyring, MemoryStore()).set_policy(given, actor="olga")


def test_a_session_ends_to_the_millisecond_and_before_the_policy_is_asked(
    open_vault: Opens, keyring: Keyring, store: Store, clock: Clock
) -> None:
    vault = open_vault(keyring, store, policy="default")
    lead = Actor("lena", session_expires_at=clock.now + HOUR, roles=["senior-engineer"])
    vault.set("A", "value", actor=lead)
    clock.now += HOUR - INSTANT
    assert vault.get("A", actor=lead).reveal() == "value"
    clock.now += INSTANT
    for call in everything(vault).values():
        with pytest.raises(SessionExpiredError):
            call(lead)
    assert {event.outcome for event in vault.audit("A", actor=LEAD, limit=5)} == {"denied"}


@pytest.mark.parametrize("roles", ["senior-engineer", ["x"] * 65, [""], ["a\nb"], [5]])
def test_roles_are_a_list_of_names(vault: Vault, roles: Any) -> None:
    with pytest.raises((InvalidArgumentError, LimitExceededError, NameInvalidError)):
        vault.exists("A", actor=Actor("lena", roles=roles))


# Grants.


def test_a_grant_gives_what_it_names_until_its_end_and_not_a_millisecond_longer(
    open_vault: Opens, keyring: Keyring, store: Store, clock: Clock
) -> None:
    vault = open_vault(keyring, store, policy="default")
    for name in ("A", "B"):
        vault.set(name, f"value {name}", actor=LEAD)
    until = clock.now + DAY
    bob, staff = Actor("bob"), Actor("sue", roles=["staff"])
    for_bob = vault.grant("A", actor=LEAD, user="bob", actions=["read"], until=until)
    for_staff = vault.grant("A", actor=LEAD, role="staff", actions=["read", "write"])
    [first, second] = sorted(vault.grants("A", actor=LEAD), key=lambda grant: grant.user is None)
    assert (first.id, first.user, first.role, first.actions, first.until) == (for_bob.id, "bob", None, ["read"], until)
    assert (first.granted_by, first.granted_at) == ("lena", clock.now)
    assert (second.id, second.user, second.role, second.until) == (for_staff.id, None, "staff", None)

    assert vault.get("A", actor=bob).reveal() == "value A"
    assert vault.rotate("A", "new A", actor=staff).version == 2
    for denied in (
        lambda: vault.rotate("A", "x", actor=bob),
        lambda: vault.get("B", actor=bob),
        lambda: vault.delete("A", actor=staff),
        lambda: vault.grant("A", actor=staff, user="eve", actions=["read"]),
    ):
        assert code_of(denied) == "PERMISSION_DENIED"
    clock.now = until - INSTANT
    assert vault.get("A", actor=bob).reveal() == "new A"
    clock.now = until
    assert code_of(lambda: vault.get("A", actor=bob)) == "PERMISSION_DENIED"
    assert [grant.id for grant in vault.grants("A", actor=LEAD)] == [for_staff.id]
    vault.revoke("A", for_staff.id, actor=LEAD)
    assert code_of(lambda: vault.get("A", actor=staff)) == "PERMISSION_DENIED"
    assert vault.grants("A", actor=LEAD) == []
    with pytest.raises(InvalidArgumentError, match="no such grant"):
        vault.revoke("A", for_staff.id, actor=LEAD)


@pytest.mark.parametrize(
    "to",
    [
        {},
        {"user": "bob", "role": "staff"},
        {"user": "bob", "actions": []},
        {"user": "bob", "actions": "read"},
        {"user": "bob", "actions": ["admin"]},
        {"user": "bob", "until": datetime(2027, 1, 1, tzinfo=timezone.utc)},
        {"user": "bob", "until": datetime(2028, 1, 1)},
        {"user": "bob", "until": 5},
        {"user": ""},
    ],
)
def test_a_grant_that_would_give_nothing_or_too_much_is_refused(vault: Vault, clock: Clock, to: dict[str, Any]) -> None:
    vault.set("A", "value", actor="alice")
    with pytest.raises(InvalidArgumentError):
        vault.grant("A", **{"actor": "alice", "actions": ["read"], **to})
    assert vault.grants("A", actor="alice") == []


# Versions.


def test_versions_tell_a_history_without_a_value_and_rollback_brings_one_back(vault: Vault, clock: Clock) -> None:
    times = []
    for number in range(1, 13):
        clock.now += HOUR
        times.append(clock.now)
        (vault.set if number == 1 else vault.rotate)("A", f"value {number % 11}", actor="alice")
    versions = vault.versions("A", actor="bob")
    assert len(versions) in (10, 11)
    assert [version.number for version in versions] == list(range(12, 12 - len(versions), -1))
    assert [version.current for version in versions] == [True, *[False] * (len(versions) - 1)]
    assert [version.at for version in versions] == times[::-1][: len(versions)]
    assert {version.reason for version in versions} == {"rotation"}
    assert all(len(version.fingerprint or "") == 12 for version in versions)
    assert len({version.fingerprint for version in versions}) == 10 or len(versions) == 11
    assert "value" not in repr(versions)

    written = vault.rollback("A", 5, actor="alice")
    assert written.version == 13
    assert vault.get("A", actor="alice").reveal() == "value 5"
    [newest, *_] = vault.versions("A", actor="bob")
    assert (newest.number, newest.reason, newest.by) == (13, "rollback", "alice")
    for number in (1, 99, 0):
        with pytest.raises(VersionNotFoundError):
            vault.rollback("A", number, actor="alice")
    for current in (13, -1, "1", 1.5):
        with pytest.raises(InvalidArgumentError):
            vault.rollback("A", current, actor="alice")  # type: ignore[arg-type]
    with pytest.raises(SecretNotFoundError):
        vault.rollback("B", 1, actor="alice")


# Rotation.


def test_rotated_with_grace_for_a_day_there_is_always_a_value_that_is_accepted(vault: Vault, clock: Clock) -> None:
    grace = timedelta(hours=24)
    vault.set("A", actor="alice", generate="token_urlsafe", generator={"kind": "password", "length": 40})
    old = vault.get("A", actor="alice").reveal()
    written = vault.rotate("A", actor="alice", grace=grace)
    new = vault.get("A", actor="alice").reveal()
    assert len(new) == 40
    assert new != old
    until = written.at + grace
    assert [version.valid_until for version in vault.versions("A", actor="alice")] == [None, until]
    while clock.now < until:
        current, previous = (vault.verify("A", value, actor="client") for value in (new, old))
        assert (current.accepted, current.matches, current.version, current.valid_until) == (True, "current", 2, None)
        assert (previous.accepted, previous.matches, previous.version) == (True, "previous", 1)
        assert previous.valid_until == until
        clock.now += timedelta(minutes=30)
    clock.now = until - INSTANT
    assert vault.verify("A", old, actor="client")
    clock.now = until
    refused = vault.verify("A", old, actor="client")
    assert not refused
    assert (refused.accepted, refused.matches, refused.version, refused.valid_until) == (False, None, None, None)
    assert vault.verify("A", new, actor="client")
    events = vault.audit("A", actor="alice", limit=1000)
    assert [event.action for event in events].count("verify_previous") == 49
    assert [event.outcome for event in events if event.action == "verify"].count("denied") == 1
    vault.verify_audit(actor="alice")


def test_rotated_again_within_a_grace_what_is_unexpired_stays_so(vault: Vault, clock: Clock) -> None:
    start = clock.now
    values = ["one", "two", "three"]
    vault.set("A", "one", actor="alice")
    vault.rotate("A", "two", actor="alice", grace=3 * HOUR)
    clock.now += HOUR
    vault.rotate("A", "three", actor="alice", grace=HOUR)

    def accepted() -> list[str]:
        return [value for value in values if vault.verify("A", value, actor="client")]

    assert accepted() == values
    clock.now = start + 2 * HOUR - INSTANT
    assert accepted() == values
    clock.now += INSTANT
    assert accepted() == ["one", "three"]
    vault.rotate("A", "four", actor="alice")
    values.append("four")
    assert accepted() == ["one", "four"]
    clock.now = start + 3 * HOUR
    assert accepted() == ["four"]


def test_a_grace_ends_at_once_when_it_is_revoked_or_the_secret_disabled(vault: Vault) -> None:
    vault.set("A", "one", actor="alice")
    vault.rotate("A", "two", actor="alice", grace=HOUR)
    vault.disable("A", actor="alice")
    assert [bool(vault.verify("A", value, actor="client")) for value in ("one", "two")] == [False, False]
    with pytest.raises(SecretDisabledError):
        vault.get("A", actor="alice")
    assert [each.state for each in vault.list(actor="alice")] == ["disabled"]
    vault.enable("A", actor="alice")
    assert vault.get("A", actor="alice").reveal() == "two"
    assert vault.verify("A", "one", actor="client").matches == "previous"
    assert vault.revoke_previous("A", actor="alice").version == 2
    assert [bool(vault.verify("A", value, actor="client")) for value in ("one", "two")] == [False, True]


@pytest.mark.parametrize(
    "options",
    [
        {"grace": timedelta(0)},
        {"grace": -HOUR},
        {"grace": timedelta(days=367)},
        {"grace": 3600},
        {"expires_in": timedelta(0)},
        {"expires_in": 5},
        {"expires_at": datetime(2000, 1, 1, tzinfo=timezone.utc)},
        {"expires_at": datetime(2100, 1, 1)},
        {"expires_at": 5},
        {"expires_in": HOUR, "expires_at": datetime(2100, 1, 1, tzinfo=timezone.utc)},
        {"generate": "hex"},
    ],
)
def test_a_rotation_out_of_range_is_refused_and_changes_nothing(vault: Vault, options: dict[str, Any]) -> None:
    vault.set("A", "one", actor="alice")
    with pytest.raises(InvalidArgumentError):
        vault.rotate("A", "two", actor="alice", **options)
    assert vault.get("A", actor="alice").reveal() == "one"


@pytest.mark.parametrize("generate", ["hunter2", "", 5, {}, {"kind": "hex", "bytes": 4}, {"kind": "hex", "size": 9}])
def test_a_generator_that_is_unknown_or_weak_is_refused(vault: Vault, generate: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        vault.set("A", actor="alice", generate=generate)
    with pytest.raises(InvalidArgumentError):
        vault.set("A", "value", actor="alice", generator=generate)
    assert not vault.exists("A", actor="alice")


def test_without_a_value_there_must_be_a_generator(vault: Vault) -> None:
    with pytest.raises(InvalidArgumentError):
        vault.set("A", actor="alice")
    vault.set("A", "value", actor="alice")
    with pytest.raises(InvalidArgumentError, match="no generator"):
        vault.rotate("A", actor="alice")
    vault.rotate("A", actor="alice", generate={"kind": "hex", "bytes": 16})
    assert len(vault.get("A", actor="alice").reveal()) == 32


def test_the_rotation_status_tells_what_is_due_when_and_whom_to_tell(vault: Vault, clock: Clock) -> None:
    start = clock.now
    vault.set("CRITICAL", "v", actor="alice", sensitivity="critical", notify=["ops@example.org", "#alerts"])
    vault.set("STANDARD", "v", actor="alice", namespace="nexus")
    vault.set("STATIC", "v", actor="alice", sensitivity="none")

    def standings(**options: Any) -> dict[str, str]:
        return {each.name: each.standing for each in vault.rotation_status(actor="alice", **options).secrets}

    report = vault.rotation_status(actor="alice")
    assert (report.compliant, report.due_soon, report.overdue, report.never) == (3, 0, 0, 0)
    assert report.next_due == start + timedelta(days=30)
    [critical, static, standard] = report.secrets
    assert (critical.sensitivity, critical.last_rotated, critical.due_at) == ("critical", start, report.next_due)
    assert critical.notify == ["ops@example.org", "#alerts"]
    assert (static.due_at, standard.sensitivity) == (None, "standard")
    clock.now = start + timedelta(days=23) - INSTANT
    assert standings()["CRITICAL"] == "compliant"
    assert standings(ahead=8 * DAY)["CRITICAL"] == "due_soon"
    clock.now += INSTANT
    assert standings()["CRITICAL"] == "due_soon"
    clock.now = start + timedelta(days=30)
    assert standings() == {"CRITICAL": "overdue", "STANDARD": "compliant", "STATIC": "compliant"}
    assert standings(namespace="nexus") == {"STANDARD": "compliant"}
    vault.rotate("CRITICAL", "w", actor="alice")
    assert standings()["CRITICAL"] == "compliant"
    with pytest.raises(InvalidArgumentError):
        vault.rotation_status(actor="alice", ahead=7)  # type: ignore[arg-type]


# The end of values.


def test_an_expired_secret_is_refused_to_the_millisecond_and_purged_on_request(vault: Vault, clock: Clock) -> None:
    end = clock.now + HOUR
    vault.set("AT", "v", actor="alice", expires_at=end)
    vault.set("IN", "v", actor="alice", expires_in=2 * HOUR)
    vault.set("NEVER", "v", actor="alice")
    proposed = vault.propose("set", "P", "v", actor="alice")
    assert {each.name: each.expires_at for each in vault.list(actor="alice")} == {
        "AT": end,
        "IN": end + HOUR,
        "NEVER": None,
    }
    clock.now = end - INSTANT
    assert vault.get("AT", actor="alice").reveal() == "v"
    assert vault.verify("AT", "v", actor="alice")
    clock.now = end
    with pytest.raises(SecretExpiredError):
        vault.get("AT", actor="alice")
    assert not vault.verify("AT", "v", actor="alice")
    # The end can be moved; a new value has none.
    vault.expire("AT", actor="alice", expires_in=HOUR)
    assert vault.get("AT", actor="alice").reveal() == "v"
    vault.rotate("IN", "w", actor="alice")
    vault.expire("NEVER", actor="alice", expires_at=end + DAY)
    vault.expire("NEVER", actor="alice")
    clock.now = end + 9 * HOUR
    purged = vault.purge(actor="alice")
    assert (purged.secrets, purged.proposals) == (1, 1)
    assert [each.name for each in vault.list(actor="alice")] == ["IN", "NEVER"]
    assert code_of(lambda: vault.confirm(proposed.id, actor="alice")) == "CONFIRMATION_NOT_FOUND"
    assert vault.purge(actor="alice").secrets == 0
    vault.verify_audit(actor="alice")


# Keys.


def led_by(new: Keyring, *others: Keyring) -> Keyring:
    return Keyring.parse(",".join(each.dangerous_export() for each in (new, *others)))


@pytest.fixture
def two_processes(tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """Two connections to one file, as two processes have them."""
    with SQLiteStore(tmp_path / "vault.db") as one, SQLiteStore(tmp_path / "vault.db") as other:
        yield one, other


def test_keys_are_changed_under_a_running_process_and_the_old_one_is_retired(
    open_vault: Opens, two_processes: tuple[Store, Store]
) -> None:
    store, other_store = two_processes
    old, new = Keyring.generate(), Keyring.generate()
    running = open_vault(old, other_store)
    for number in range(7):
        running.set(f"S{number}", f"old {number}", actor="alice")
        running.rotate(f"S{number}", f"new {number}", actor="alice", grace=DAY)
    running.propose("set", "P", "v", actor="alice")
    both = open_vault(led_by(new, old), store)
    with pytest.raises(KeyringStaleError):
        both.set("S1", "x", actor="alice")
    for key, code in ((old.keys[0].id, "KEY_IN_USE"), (new.keys[0].id, "KEY_UNKNOWN")):
        assert code_of(lambda key=key: both.retire(key, actor="alice")) == code  # type: ignore[misc]

    sums: list[Rekeyed] = []
    assert both.rekey(actor="alice", limit=3, on_progress=sums.append) == Rekeyed(8, 8, 0, None)
    assert [(each.examined, each.changed) for each in sums] == [(3, 3), (6, 6), (8, 8)]
    assert both.rekey(actor="alice", limit=3).changed == 0
    census = both.census(actor="alice")
    assert set(census.keys) == {new.keys[0].id}
    # The running process is behind: it may write nothing, and learns why. What it reads is under a key it lacks.
    for call in (
        lambda: running.get("S1", actor="alice"),
        lambda: running.set("S1", "x", actor="alice"),
    ):
        assert code_of(call) in ("KEYRING_STALE", "KEY_UNKNOWN")
    # With both keys and the old one first it reads, and still writes nothing.
    behind = open_vault(led_by(old, new), other_store)
    assert behind.get("S1", actor="alice").reveal() == "new 1"
    assert behind.verify("S1", "old 1", actor="alice").matches == "previous"
    writes: list[Callable[[], object]] = [
        lambda: behind.set("S1", "x", actor="alice"),
        lambda: behind.set("NEW", "x", actor="alice"),
        lambda: behind.rotate("S1", "x", actor="alice"),
        lambda: behind.rollback("S1", 1, actor="alice"),
        lambda: behind.propose("set", "S1", "x", actor="alice"),
    ]
    for write in writes:
        with pytest.raises(KeyringStaleError):
            write()

    assert code_of(lambda: both.retire(new.keys[0].id, actor="alice")) == "KEY_IN_USE"
    retired = both.retire(old.keys[0].id, actor="alice")
    assert (retired.id, retired.state) == (old.keys[0].id, "disabled")
    assert both.retire(old.keys[0].id, actor="alice").state == "destroyed"
    assert code_of(lambda: both.retire(old.keys[0].id, actor="alice")) == "INVALID_ARGUMENT"
    assert code_of(lambda: behind.rekey(actor="alice")) == "KEYRING_STALE"
    only_new = open_vault(new, store)
    assert [only_new.get(f"S{number}", actor="alice").reveal() for number in range(7)] == [f"new {n}" for n in range(7)]
    assert only_new.set("S1", "newest", actor="alice").version == 3
    only_new.verify_audit(actor="alice")


def test_a_key_is_not_retired_while_anything_needs_it(open_vault: Opens, two_processes: tuple[Store, Store]) -> None:
    store, _ = two_processes
    old, new = Keyring.generate(), Keyring.generate()
    vault = open_vault(old, store)
    for number in range(3):
        vault.set(f"S{number}", "v", actor="alice")
    both = Vault(led_by(new, old), store)
    pages = both.rekey_pages(actor="alice", limit=1)
    seen = []
    for page in pages:
        seen.append(page)
        if sum(each.changed for each in seen) < 3:
            with pytest.raises(KeyInUseError, match="values"):
                both.retire(old.keys[0].id, actor="alice")
    assert len(seen) >= 3
    assert sum(page.changed for page in seen) == 3
    assert both.retire(old.keys[0].id, actor="alice").state == "disabled"


def test_a_rekey_goes_on_where_it_stopped(two_processes: tuple[Store, Store]) -> None:
    store, other = two_processes
    old, new = Keyring.generate(), Keyring.generate()
    for number in range(5):
        Vault(old, store).set(f"S{number}", "v", actor="alice")
    both = led_by(new, old)
    first = next(Vault(both, store).rekey_pages(actor="alice", limit=2))
    assert (first.examined, first.changed) == (2, 2)
    assert first.next is not None
    rest = list(Vault(both, other).rekey_pages(actor="alice", after=first.next, limit=2))
    assert sum(page.changed for page in rest) == 3
    assert rest[-1].next is None
    assert set(Vault(both, store).census(actor="alice").keys) == {new.keys[0].id}


def test_the_pages_of_an_asyncio_vault_are_the_same(keyring: Keyring, store: Store) -> None:
    async def main() -> list[Rekeyed]:
        vault = aio.Vault(keyring, store)
        for number in range(3):
            await vault.set(f"S{number}", "v", actor="alice")
        return [page async for page in vault.rekey_pages(actor="alice", limit=2)]

    pages = asyncio.run(main())
    assert [page.examined for page in pages] == [2, 1]
    assert [page.next is None for page in pages] == [False, True]


@pytest.mark.parametrize("limit", [0, 501, -1, "x", 1.5])
def test_a_page_has_1_to_500_secrets(vault: Vault, limit: Any) -> None:
    with pytest.raises((InvalidArgumentError, LimitExceededError)):
        vault.rekey(actor="alice", limit=limit)


def test_what_no_key_opens_is_counted_and_left_as_it_was(open_vault: Opens, store: Store) -> None:
    old, new = Keyring.generate(), Keyring.generate()
    open_vault(old, store).set("A", "v", actor="alice")
    stranger = open_vault(new, store)
    for call in (lambda: stranger.rekey(actor="alice"), lambda: stranger.retire(old.keys[0].id, actor="alice")):
        assert code_of(call) == "KEY_UNKNOWN"
    assert open_vault(old, store).get("A", actor="alice").reveal() == "v"
