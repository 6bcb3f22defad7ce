"""Rules of access: what is unusual in a history, event by event."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from strongroom import _native
from strongroom._error import of_code, translated
from strongroom._time import duration_millis, instant, millis

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from strongroom._results import AuditEvent


class AccessBurst(TypedDict):
    """So many events of one actor, 1 to 1000, within a window of at most 31 days."""

    count: int
    window: timedelta


class AccessRules(TypedDict, total=False):
    """What is unusual. What is left out is not looked for."""

    many_reads: AccessBurst
    """One actor reads so many values."""
    denied_burst: AccessBurst
    """One actor is denied so often. A presented value that `verify` does not accept is no denial of the actor."""
    first_reader: bool
    """An actor reads a secret that the watch has not seen them read."""


@dataclass(frozen=True)
class AccessFinding:
    """What a rule found; told once for a burst."""

    rule: Literal["many_reads", "first_reader", "denied_burst"]
    actor: str
    namespace: str | None
    name: str | None
    """The secret that the last of the events was about, if it was about one."""
    count: int
    """How many events of the window it took."""
    since: datetime | None
    at: datetime | None
    """When the first and the last of them was."""


class AccessWatch:
    """Looks at events by some rules: at those of a vault that is opened with it, and at those it is shown.

    It remembers 2000 actors and 100,000 pairs of an actor and a secret at most, those that were seen last. Shown the
    history before a vault is opened with it, it takes nobody for a first reader who is none.

    >>> from datetime import timedelta
    >>> from strongroom import AccessWatch, Keyring, Vault
    >>> from strongroom.stores import MemoryStore
    >>> keyring, store = Keyring.generate(), MemoryStore()
    >>> watch = AccessWatch({"first_reader": True, "many_reads": {"count": 2, "window": timedelta(minutes=1)}})
    >>> for event in reversed(Vault(keyring, store).audit(actor="ops", limit=1000)):
    ...     _ = watch.observe(event)
    >>> found = []
    >>> vault = Vault(keyring, store, access_rules=watch, on_finding=found.append)
    >>> vault.set("KEY", "value", actor="alice").version
    1
    >>> [vault.get("KEY", actor="mallory").reveal() for _ in range(3)]
    ['value', 'value', 'value']
    >>> [(each.rule, each.actor, each.count) for each in found]
    [('first_reader', 'mallory', 1), ('many_reads', 'mallory', 2)]
    """

    __slots__ = ("_handle",)

    def __init__(self, rules: AccessRules) -> None:
        """One that has seen nothing yet. Raises `InvalidArgumentError`."""
        if not isinstance(rules, Mapping):
            raise of_code("INVALID_ARGUMENT", "the rules of access are a dict, such as {'first_reader': True}")
        wire = {rule: _burst(rule, given) if isinstance(given, Mapping) else given for rule, given in rules.items()}
        try:
            text = json.dumps(wire)
        except (TypeError, ValueError):
            raise of_code("INVALID_ARGUMENT", "the rules of access hold what is none") from None
        with translated():
            self._handle = _native.AccessWatch(text)

    def observe(self, event: AuditEvent) -> list[AccessFinding]:
        """Looks at an event; at each once, and best the oldest first. Tells what the rules find in it."""
        fields = ("action", "actor", "namespace", "name", "outcome", "code", "stream")
        wire = {"at": millis(event.at), **{field: getattr(event, field) for field in fields}}
        with translated():
            return [finding(each) for each in json.loads(self._handle.observe(json.dumps(wire)))]

    def __repr__(self) -> str:
        return "AccessWatch(...)"


def _burst(rule: str, given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {
            ("window_millis" if key == "window" else key): duration_millis(value) if key == "window" else value
            for key, value in given.items()
        }
    except TypeError as error:
        raise of_code("INVALID_ARGUMENT", f"the window of `{rule}`: {error}") from None


def finding(told: dict[str, Any]) -> AccessFinding:
    """What the core told."""
    return AccessFinding(**{**told, "since": instant(told["since"]), "at": instant(told["at"])})


def watch_of(rules: AccessRules | AccessWatch | None, on_finding: object) -> AccessWatch | None:
    """What watches a vault that is opened with some rules, or with a watch that has seen something already."""
    if rules is None and on_finding is not None:
        raise of_code("INVALID_ARGUMENT", "`on_finding` without `access_rules`: there would be nothing to find")
    return rules if rules is None or isinstance(rules, AccessWatch) else AccessWatch(rules)
