"""What a vault has seen, and what is unusual of it, as Python hosts get it."""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import pytest

from strongroom import AccessFinding, AccessRules, AccessWatch, Actor, AuditEvent, Keyring, Vault, aio
from strongroom.errors import InvalidArgumentError, NameInvalidError, PermissionDeniedError, StorageFailedError
from strongroom.stores import MemoryStore

BURST: AccessRules = {"denied_burst": {"count": 3, "window": timedelta(minutes=1)}}


def samples(page: str, prefix: str = "strongroom") -> dict[str, float]:
    """The samples of a page that are not nothing."""
    lines = [line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#")]
    return {name.removeprefix(f"{prefix}_"): float(value) for name, value in lines if float(value) != 0}


def access(success: int = 0, denied: int = 0, error: int = 0) -> dict[str, float]:
    counts = {"success": success, "denied": denied, "error": error}
    return {f'secret_access_total{{result="{result}"}}': count for result, count in counts.items() if count}


def of(page: str, family: str) -> dict[str, float]:
    return {name: value for name, value in samples(page).items() if name.split("{")[0] == family}


class Failing(MemoryStore):
    """Fails while it is told to."""

    fails = False

    def load(self, keys: Any) -> Any:
        if self.fails:
            raise OSError("disk on fire")
        return super().load(keys)


def test_a_vault_counts_its_calls_its_events_and_its_failures(keyring: Keyring) -> None:
    store = Failing()
    vault = Vault(keyring, store, actors=["alice"])
    vault.set("A", "one", actor="alice")
    vault.set_many({"B": "b", "C": "c"}, actor="alice")
    vault.get_many(["A", "B", "C"], actor="alice")
    vault.exists("A", actor="alice")
    with pytest.raises(PermissionDeniedError):
        vault.get("A", actor="mallory")
    with pytest.raises(NameInvalidError):
        vault.set("two words", "x", actor="alice")
    with pytest.raises(NameInvalidError):
        vault.get("", actor="alice")
    store.fails = True
    with pytest.raises(StorageFailedError):
        vault.get("A", actor="alice")
    page = vault.metrics()
    assert of(page, "secret_access_total") == access(4, 1, 3)
    assert of(page, "store_failures_total") == {'store_failures_total{request="load"}': 1}
    assert of(page, "secret_validation_errors_total") == {"secret_validation_errors_total": 2}
    assert of(page, "errors_total") == {
        'errors_total{code="NAME_INVALID"}': 2,
        'errors_total{code="PERMISSION_DENIED"}': 1,
        'errors_total{code="STORAGE_FAILED"}': 1,
    }
    store.fails = False
    events = vault.audit(actor="alice", limit=1000)
    assert sum(of(page, "events_total").values()) == len(events)


def test_a_vault_for_asyncio_counts_alike(keyring: Keyring) -> None:
    async def main() -> str:
        vault = aio.Vault(keyring, MemoryStore())
        await vault.set("A", "one", actor="alice")
        await asyncio.gather(*(vault.get("A", actor="alice") for _ in range(20)))
        return vault.metrics()

    page = asyncio.run(main())
    assert of(page, "secret_access_total") == access(21)
    # However often they came in each other's way.
    assert of(page, "events_total")['events_total{action="get",result="success"}'] == 20


def test_rotations_are_told_by_name_and_what_is_overdue_when_somebody_looks(keyring: Keyring) -> None:
    store = MemoryStore()
    Vault(keyring, store).set("A", "one", actor="alice", namespace="nexus", sensitivity="critical")
    vault = Vault(keyring, store)
    assert of(vault.metrics(), "secret_rotation_timestamp_seconds") == {}
    vault.rotation_status(actor="alice")
    page = vault.metrics()
    [(name, at)] = of(page, "secret_rotation_timestamp_seconds").items()
    assert name == 'secret_rotation_timestamp_seconds{namespace="nexus",name="A"}'
    assert abs(at - datetime.now(timezone.utc).timestamp()) < 60
    [due] = of(page, "secret_rotation_due_timestamp_seconds").values()
    assert due - at == pytest.approx(30 * 86400)
    assert "\nstrongroom_secrets_overdue 0\n" in page


def test_emergencies_are_counted_by_secret(keyring: Keyring) -> None:
    vault = Vault(keyring, MemoryStore())
    for name in ("A", "B"):
        vault.set(name, generate="hex", generator="hex", actor="alice")
    vault.emergency_rotate(actor="alice")
    assert of(vault.metrics(), "emergency_rotation_total") == {"emergency_rotation_total": 2}


def test_the_prefix_is_the_callers(keyring: Keyring) -> None:
    vault = Vault(keyring, MemoryStore())
    vault.set("A", "one", actor="alice")
    assert samples(vault.metrics("hyperbun"), "hyperbun") == samples(vault.metrics(prefix="strongroom"))
    for wrong in ("", "9a", "a-b", "a\n", "a" * 65, None, 7):
        with pytest.raises(InvalidArgumentError):
            vault.metrics(cast("str", wrong))


def test_a_finding_is_told_once_for_a_burst(keyring: Keyring) -> None:
    found: list[AccessFinding] = []
    vault = Vault(keyring, MemoryStore(), actors=["alice"], access_rules=BURST, on_finding=found.append)
    vault.set("A", "one", actor="alice")
    for attempt in range(6):
        with pytest.raises(PermissionDeniedError):
            vault.get("A", actor=Actor("mallory", platform="web"))
        assert len(found) == (attempt >= 2)
    [finding] = found
    assert (finding.rule, finding.actor, finding.namespace, finding.name) == (
        "denied_burst",
        "mallory",
        "default",
        "A",
    )
    assert finding.count == 3
    assert finding.since is not None
    assert finding.at is not None
    assert timedelta(0) <= finding.at - finding.since < timedelta(minutes=1)
    assert of(vault.metrics(), "access_findings_total") == {'access_findings_total{rule="denied_burst"}': 1}


def test_a_hook_for_findings_that_raises_is_logged_and_fails_nothing(
    keyring: Keyring, caplog: pytest.LogCaptureFixture
) -> None:
    def hook(_: AccessFinding) -> None:
        raise RuntimeError("no pager")

    vault = Vault(keyring, MemoryStore(), access_rules={"first_reader": True}, on_finding=hook)
    vault.set("A", "one", actor="alice")
    with caplog.at_level(logging.ERROR, "strongroom"):
        assert vault.get("A", actor="alice").reveal() == "one"
    assert [record.getMessage() for record in caplog.records] == ["on_finding raised"]


def test_findings_are_awaited_under_asyncio(keyring: Keyring) -> None:
    found: list[AccessFinding] = []

    async def hook(finding: AccessFinding) -> None:
        await asyncio.sleep(0)
        found.append(finding)

    async def main() -> None:
        vault = aio.Vault(keyring, MemoryStore(), access_rules={"first_reader": True}, on_finding=hook)
        await vault.set("A", "one", actor="alice")
        await vault.get("A", actor="alice")
        await vault.get("A", actor="alice")

    asyncio.run(main())
    assert [(finding.rule, finding.actor, finding.name) for finding in found] == [("first_reader", "alice", "A")]


def test_history_warms_a_watch_up(keyring: Keyring) -> None:
    store = MemoryStore()
    before = Vault(keyring, store)
    before.set("A", "one", actor="alice")
    before.set("B", "two", actor="alice")
    before.get("A", actor="alice")
    rules: AccessRules = {"first_reader": True, "many_reads": {"count": 3, "window": timedelta(hours=1)}}
    watch = AccessWatch(rules)
    history = list(reversed(before.audit(actor="ops", limit=1000)))
    assert [finding.rule for event in history for finding in watch.observe(event)] == ["first_reader"]
    found: list[AccessFinding] = []
    vault = Vault(keyring, store, access_rules=watch, on_finding=found.append)
    vault.get("A", actor="alice")
    assert found == []
    vault.get("B", actor="alice")
    assert [finding.rule for finding in found] == ["many_reads", "first_reader"]


def test_a_watch_takes_events_of_any_shape() -> None:
    watch = AccessWatch({"many_reads": {"count": 1, "window": timedelta(seconds=1)}, "first_reader": True})
    none: dict[str, Any] = dict.fromkeys(AuditEvent.__dataclass_fields__)
    assert watch.observe(AuditEvent(**none)) == []
    hostile = 'a"\\\n\ud7ff\U0001f512' * 100
    at = datetime(1, 1, 1, tzinfo=timezone.utc)
    event = AuditEvent(**{**none, "at": at, "action": "get", "actor": hostile, "name": hostile, "outcome": "success"})
    [many, first] = watch.observe(event)
    assert (many.actor, first.name, first.at) == (hostile, hostile, at)
    assert "hostile" not in repr(watch)


@pytest.mark.parametrize(
    "rules",
    [
        [],
        "first_reader",
        {"many_read": {"count": 1, "window": timedelta(1)}},
        {"many_reads": {"count": 0, "window": timedelta(1)}},
        {"many_reads": {"count": 1, "window": timedelta(0)}},
        {"many_reads": {"count": 1, "window": timedelta(32)}},
        {"many_reads": {"count": 1, "window": 60}},
        {"many_reads": {"count": 1.5, "window": timedelta(1)}},
        {"many_reads": {"count": 1}},
        {"many_reads": 3},
        {"first_reader": "yes"},
        {"first_reader": object()},
        {3: object()},
    ],
)
def test_rules_that_are_none_are_refused(rules: Any, keyring: Keyring) -> None:
    with pytest.raises(InvalidArgumentError):
        AccessWatch(rules)
    with pytest.raises(InvalidArgumentError):
        Vault(keyring, MemoryStore(), access_rules=rules)


def test_hooks_that_cannot_be_called_are_refused(keyring: Keyring) -> None:
    async def hook(_: AccessFinding) -> None: ...

    with pytest.raises(InvalidArgumentError):
        Vault(keyring, MemoryStore(), on_finding=print)
    with pytest.raises(InvalidArgumentError):
        Vault(keyring, MemoryStore(), access_rules=BURST, on_finding=cast("Any", 7))
    with pytest.raises(InvalidArgumentError):
        Vault(keyring, MemoryStore(), access_rules=BURST, on_finding=hook)


def test_the_example_of_the_page_runs_as_it_stands(keyring: Keyring, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text()
    [code] = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "AccessWatch" in block]
    store = MemoryStore()
    Vault(keyring, store).set("A", "one", actor="alice")
    names: dict[str, Any] = {"keyring": keyring, "store": store}
    exec(code, names)  # noqa: S102
    names["vault"].get("A", actor="mallory")
    assert capsys.readouterr().out == "first_reader mallory\n"
