"""What is due, whose value a presented one is, what is rotated together, what is done about leaks, and who is told."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from strongroom import Actor, AuditEvent, Keyring, Policy, Swept, Vault, aio
from strongroom.errors import (
    ConfirmationNotFoundError,
    InvalidArgumentError,
    PermissionDeniedError,
    SecretDisabledError,
    SecretNotFoundError,
    VersionCompromisedError,
)
from strongroom.stores import MemoryStore, Store
from test_vault import VAULTS, Opens

DAY = timedelta(days=1)


@pytest.fixture(params=["sync", "asyncio through"])
def open_vault(request: pytest.FixtureRequest) -> Opens:
    return VAULTS[request.param]


@pytest.fixture
def vault(open_vault: Opens, keyring: Keyring, store: Store) -> Vault:
    """`MADE` has a generator, `GIVEN` a previous value within its grace."""
    vault = open_vault(keyring, store)
    vault.set("MADE", "made first", generator="hex", sensitivity="critical", actor="alice")
    vault.set("GIVEN", "given first", notify=["#ops"], actor="alice")
    vault.rotate("GIVEN", "given second", grace=DAY, actor="alice")
    return vault


def left(swept: Swept) -> dict[str, str]:
    return {each.name: each.why for each in swept.left}


def test_after_an_emergency_no_way_leads_back_to_a_value_from_before(vault: Vault) -> None:
    proposal = vault.propose("rotate", "GIVEN", "given third", actor="alice")
    swept = vault.emergency_rotate(actor="alice")
    assert [each.name for each in swept.rotated] == ["MADE"]
    assert left(swept) == {"GIVEN": "no_generator"}
    assert len(vault.get("MADE", actor="alice").reveal()) == 64
    assert vault.get("GIVEN", actor="alice").reveal() == "given second"
    with pytest.raises(ConfirmationNotFoundError):
        vault.confirm(proposal.id, actor="alice")
    assert [state.name for state in vault.due(actor="alice", ahead=timedelta())] == ["GIVEN"]
    vault.rotate("GIVEN", "given fourth", grace=DAY, actor="alice")
    for name, value in (("MADE", "made first"), ("GIVEN", "given first"), ("GIVEN", "given second")):
        assert not vault.verify(name, value, actor="alice")
        assert not vault.identify(value, actor="alice")
        for attempt in (vault.set, vault.rotate):
            with pytest.raises(VersionCompromisedError):
                attempt(name, value, actor="alice")
        with pytest.raises(VersionCompromisedError):
            vault.rollback(name, 1, actor="alice")
        late = vault.propose("set", name, value, actor="alice")
        with pytest.raises(VersionCompromisedError):
            vault.confirm(late.id, actor="alice")
    assert all(version.compromised for version in vault.versions("GIVEN", actor="alice")[1:])
    vault.delete("GIVEN", actor="alice")
    with pytest.raises(VersionCompromisedError):
        vault.set("GIVEN", "given second", actor="alice")
    vault.verify_audit(actor="alice")


def test_one_secret_alone_and_what_has_no_generator_is_disabled_on_request(vault: Vault) -> None:
    assert left(vault.emergency_rotate("GIVEN", disable=True, actor="alice")) == {"GIVEN": "disabled"}
    assert vault.get("MADE", actor="alice").reveal() == "made first"
    with pytest.raises(SecretDisabledError):
        vault.get("GIVEN", actor="alice")
    vault.enable("GIVEN", actor="alice")
    with pytest.raises(VersionCompromisedError):
        vault.get("GIVEN", actor="alice")
    with pytest.raises(SecretNotFoundError):
        vault.emergency_rotate("UNKNOWN", actor="alice")


def test_sweeps_go_page_by_page_and_tell_how_far_they_are(vault: Vault) -> None:
    for number in range(7):
        vault.set(f"K{number}", "old", namespace="many", generator="uuid", actor="alice")
    seen: list[int] = []
    swept = vault.rotate_all(
        actor="alice", namespace="many", grace=DAY, limit=3, on_progress=lambda done: seen.append(len(done.rotated))
    )
    assert [each.name for each in swept.rotated] == [f"K{number}" for number in range(7)]
    assert seen == [3, 6, 7]
    assert vault.verify("K3", "old", namespace="many", actor="alice").matches == "previous"
    assert vault.rotate_due(actor="alice") == Swept([], [])
    with pytest.raises(InvalidArgumentError):
        vault.rotate_all(actor="alice", limit=0)
    with pytest.raises(InvalidArgumentError):
        vault.rotate_due(actor="alice", grace=timedelta(days=367))


def test_identify_tells_whose_value_it_is_and_nothing_to_whoever_may_not_read_it(
    open_vault: Opens, keyring: Keyring, store: Store, vault: Vault
) -> None:
    found = vault.identify("given first", actor="alice")
    assert (found.namespace, found.name, found.matches, found.version) == ("default", "GIVEN", "previous", 1)
    assert found.valid_until is not None
    assert found.valid_until > datetime.now(timezone.utc)
    assert vault.identify("made first", actor="alice").matches == "current"
    assert not vault.identify("made first", actor="alice", namespace="elsewhere")
    assert vault.identify("nobody's", actor="alice").name is None
    rules = {"rules": [{"id": "some", "users": ["bob"], "actions": ["read"], "names": ["G*"]}]}
    ruled = open_vault(keyring, store, policy=Policy(rules))
    assert ruled.identify("given second", actor="bob").name == "GIVEN"
    assert not ruled.identify("made first", actor="bob")
    with pytest.raises(PermissionDeniedError):
        ruled.emergency_rotate(actor="bob")


def watched(open_vault: Opens, keyring: Keyring, store: Store, **options: Any) -> tuple[Vault, list[AuditEvent]]:
    events: list[AuditEvent] = []
    return open_vault(keyring, store, on_event=events.append, **options), events


def test_a_hook_is_told_of_what_was_committed_and_of_nothing_else(
    open_vault: Opens, keyring: Keyring, store: Store, vault: Vault
) -> None:
    rules = {"rules": [{"id": "lead", "users": ["alice"], "actions": ["*"]}]}
    names = ["denied", "previous_used", "overdue", "emergency"]
    ruled, events = watched(open_vault, keyring, store, events=names, policy=Policy(rules))
    ruled.get("MADE", actor="alice")
    assert events == []
    with pytest.raises(PermissionDeniedError):
        ruled.get("MADE", actor="mallory")
    ruled.verify("GIVEN", "given first", actor="alice")
    ruled.emergency_rotate("MADE", actor="alice")
    ruled.emergency_rotate("GIVEN", actor="alice")
    ruled.due(actor="alice")
    told = [(event.action, event.name, event.outcome, event.rule) for event in events]
    assert told == [
        ("get", "MADE", "denied", None),
        ("verify_previous", "GIVEN", "success", "lead"),
        ("rotate", "MADE", "success", "lead"),
        ("emergency_rotate", "GIVEN", "success", "lead"),
        ("overdue", "GIVEN", "success", "lead"),
    ]
    # Word for word what the history has.
    assert events[0] in ruled.audit("MADE", actor="alice")

    everything, all_events = watched(open_vault, keyring, store)
    everything.exists("MADE", actor="alice")
    everything.get("MADE", actor="alice")
    assert [event.action for event in all_events] == ["get"]
    with pytest.raises(InvalidArgumentError, match="there are no events of that name"):
        watched(open_vault, keyring, store, events=["danied"])


def test_a_hook_that_raises_is_logged_and_fails_nothing(
    open_vault: Opens, keyring: Keyring, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: AuditEvent) -> None:
        raise RuntimeError("the pager is down")

    vault = open_vault(keyring, store, on_event=broken)
    with caplog.at_level(logging.ERROR, "strongroom"):
        assert vault.set("A", "sk_canary_1", actor="alice").created
        assert vault.get("A", actor="alice").reveal() == "sk_canary_1"
    assert "the pager is down" in caplog.text
    assert "sk_canary_1" not in caplog.text


def test_what_was_not_committed_is_not_told() -> None:
    class Failing(MemoryStore):
        def commit(self, change_set: dict[str, Any], /) -> Any:
            return "failed" if self.fails else super().commit(change_set)

        fails = False

    events: list[AuditEvent] = []
    store = Failing()
    vault = Vault(Keyring.generate(), store, on_event=events.append)
    vault.set("A", "value", actor="alice")
    events.clear()
    store.fails = True
    with pytest.raises(Exception, match="applied nothing"):
        vault.get("A", actor=Actor("alice"))
    assert events == []


def test_a_hook_of_asyncio_is_awaited(keyring: Keyring, store: Store) -> None:
    events: list[str | None] = []

    async def hook(event: AuditEvent) -> None:
        await asyncio.sleep(0)
        events.append(event.action)

    async def life() -> None:
        vault = aio.Vault(keyring, store, on_event=hook, events=["set", "get"])
        await vault.set("A", "value", actor="alice")
        await vault.exists("A", actor="alice")
        await vault.get("A", actor="alice")

    asyncio.run(life())
    assert events == ["set", "get"]
    with pytest.raises(InvalidArgumentError, match="asynchronous"):
        Vault(keyring, store, on_event=hook)
