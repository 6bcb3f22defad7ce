"""What a vault does, described once: what each operation takes, and what it tells. Vaults only perform it.

What operations return is converted here and decided in the core.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from strongroom import _native
from strongroom._access import AccessWatch
from strongroom._call import Actor, Given, Operation, Policy, wire
from strongroom._error import of_code, translated
from strongroom._keyring import Keyring
from strongroom._results import (
    Adopted,
    AuditEvent,
    Button,
    Census,
    Change,
    CommandReply,
    Confirmed,
    Copied,
    Grant,
    GrantAction,
    Granted,
    Identified,
    KeyCount,
    LeftOver,
    Listed,
    ListedVersion,
    PolicyInForce,
    Proposed,
    Purged,
    Rekeyed,
    Renewed,
    Retired,
    RotationReport,
    RotationState,
    Sensitivity,
    Swept,
    Verified,
    Written,
    told,
)
from strongroom._secret import Secret, SecretDetails

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from strongroom._driver import Outcome
    from strongroom._host import AsyncRotator, Rotator
    from strongroom.stores import AsyncStore, Store

Generator = Literal["token_urlsafe", "hex", "alphanumeric", "uuid", "password"] | Mapping[str, Any]
"""What makes values: a name, or particulars such as `{"kind": "password", "length": 20}`."""
PolicyGiven = Policy | Mapping[str, Any] | Literal["default"]


def set_(
    name: str,
    given: Given | None,
    actor: str | Actor,
    namespace: str | None,
    *,
    generate: Generator | None,
    sensitivity: Sensitivity | None,
    expires_at: datetime | None,
    expires_in: timedelta | None,
    notify: Sequence[str] | None,
    generator: Generator | None,
) -> Operation[Written]:
    arguments = {
        "name": name,
        "namespace": namespace,
        "generate": generate,
        "sensitivity": sensitivity,
        "expires_at": expires_at,
        "expires_in": expires_in,
        "notify": notify,
        "generator": generator,
    }
    return Operation("set", actor, arguments, _written, given)


def rotate(
    name: str,
    given: Given | None,
    actor: str | Actor,
    namespace: str | None,
    *,
    generate: Generator | None,
    rotator: Rotator | AsyncRotator | None,
    grace: timedelta | None,
    expires_at: datetime | None,
    expires_in: timedelta | None,
) -> Operation[Written]:
    arguments = {
        "name": name,
        "namespace": namespace,
        "generate": generate,
        "rotator": None if rotator is None else True,
        "grace_millis": grace,
        "expires_at": expires_at,
        "expires_in": expires_in,
    }
    if rotator is not None:
        for callback in ROTATOR_CALLBACKS:
            if not callable(getattr(rotator, callback, None)):
                raise of_code("INVALID_ARGUMENT", f"that is no rotator, since it has no method `{callback}`", "rotate")
    return Operation("rotate", actor, arguments, _written, given, rotator)


def get(name: str, actor: str | Actor, namespace: str | None) -> Operation[Secret]:
    return Operation("get", actor, {"name": name, "namespace": namespace}, _secret)


def exists(name: str, actor: str | Actor, namespace: str | None) -> Operation[bool]:
    return Operation("exists", actor, {"name": name, "namespace": namespace}, lambda outcome: bool(outcome.told))


def list_(actor: str | Actor, namespace: str | None) -> Operation[list[Listed]]:
    return Operation(
        "list",
        actor,
        {"namespace": namespace},
        lambda outcome: [told(Listed, each) for each in outcome.told["secrets"]],
    )


def update(
    change: Literal["delete", "disable", "enable", "revoke_previous"],
    name: str,
    actor: str | Actor,
    namespace: str | None,
) -> Operation[Written]:
    """The changes of a secret that need no more than its name."""
    return Operation(change, actor, {"name": name, "namespace": namespace}, _written)


def versions(name: str, actor: str | Actor, namespace: str | None) -> Operation[list[ListedVersion]]:
    def listed(outcome: Outcome) -> list[ListedVersion]:
        return [told(ListedVersion, version) for version in outcome.told["versions"]]

    return Operation("versions", actor, {"name": name, "namespace": namespace}, listed)


def rollback(name: str, version: int, actor: str | Actor, namespace: str | None) -> Operation[Written]:
    return Operation("rollback", actor, {"name": name, "namespace": namespace, "version": version}, _written)


def verify(name: str, given: Given, actor: str | Actor, namespace: str | None) -> Operation[Verified]:
    def verified(outcome: Outcome) -> Verified:
        return told(Verified, outcome.told)

    return Operation("verify", actor, {"name": name, "namespace": namespace}, verified, given)


def expire(
    name: str,
    actor: str | Actor,
    namespace: str | None,
    *,
    expires_at: datetime | None,
    expires_in: timedelta | None,
) -> Operation[Written]:
    arguments = {"name": name, "namespace": namespace, "expires_at": expires_at, "expires_in": expires_in}
    return Operation("expire", actor, arguments, _written)


def purge(actor: str | Actor, namespace: str | None) -> Operation[Purged]:
    return Operation("purge", actor, {"namespace": namespace}, lambda outcome: Purged(**outcome.told))


def rotation_status(actor: str | Actor, namespace: str | None, *, ahead: timedelta | None) -> Operation[RotationReport]:
    def report(outcome: Outcome) -> RotationReport:
        secrets = [told(RotationState, state) for state in outcome.told["secrets"]]
        return told(RotationReport, {**outcome.told, "secrets": secrets})

    return Operation("rotation_status", actor, {"namespace": namespace, "ahead_millis": ahead}, report)


def due(actor: str | Actor, namespace: str | None, *, ahead: timedelta | None) -> Operation[list[RotationState]]:
    def listed(outcome: Outcome) -> list[RotationState]:
        return [told(RotationState, state) for state in outcome.told["secrets"]]

    return Operation("due", actor, {"namespace": namespace, "ahead_millis": ahead}, listed)


def identify(given: Given, actor: str | Actor, namespace: str | None) -> Operation[Identified]:
    def identified(outcome: Outcome) -> Identified:
        return told(Identified, outcome.told)

    return Operation("identify", actor, {"namespace": namespace}, identified, given)


@dataclass(frozen=True)
class Sweep:
    """An operation on many secrets, page by page, and what came of it so far."""

    name: Literal["rotate_due", "rotate_all", "emergency_rotate"]
    actor: str | Actor
    arguments: dict[str, Any]
    so_far: Swept = field(default_factory=lambda: Swept([], []))

    def page(self, after: str | None) -> Operation[str | None]:
        """The page from there on. It tells where the next one begins, and nothing when it was the last."""

        def taken(outcome: Outcome) -> str | None:
            self.so_far.rotated.extend(told(Written, each) for each in outcome.told["rotated"])
            self.so_far.left.extend(told(LeftOver, each) for each in outcome.told["left"])
            after: str | None = outcome.told["next"]
            return after

        return Operation(self.name, self.actor, {**self.arguments, "after": after}, taken)


def audit(
    name: str | None, actor: str | Actor, namespace: str | None, limit: int | None
) -> Operation[Sequence[AuditEvent]]:
    def events(outcome: Outcome) -> list[AuditEvent]:
        return [told(AuditEvent, event) for event in outcome.told["events"]]

    return Operation("audit", actor, {"name": name, "namespace": namespace, "limit": limit}, events)


def propose(
    change: Change, name: str, given: Given | None, actor: str | Actor, namespace: str | None
) -> Operation[Proposed]:
    def proposed(outcome: Outcome) -> Proposed:
        return told(Proposed, outcome.told)

    arguments = {"change": change, "name": name, "namespace": namespace}
    return Operation("propose", actor, arguments, proposed, given)


def confirm(id: str, actor: str | Actor) -> Operation[Confirmed]:  # noqa: A002
    def confirmed(outcome: Outcome) -> Confirmed:
        of = outcome.told
        return Confirmed(of["change"], told(Written, of["written"]), of["repeated"])

    return Operation("confirm", actor, {"id": id}, confirmed)


def cancel(id: str, actor: str | Actor) -> Operation[None]:  # noqa: A002
    return Operation("cancel", actor, {"id": id}, lambda _: None)


def set_policy(policy: PolicyGiven, actor: str | Actor) -> Operation[None]:
    return Operation("set_policy", actor, {"policy": policy}, lambda _: None)


def policy(actor: str | Actor) -> Operation[PolicyInForce]:
    return Operation("policy", actor, {}, lambda outcome: PolicyInForce(**outcome.told))


def grant(
    name: str,
    actor: str | Actor,
    namespace: str | None,
    *,
    user: str | None,
    role: str | None,
    actions: Sequence[GrantAction],
    until: datetime | None,
) -> Operation[Granted]:
    if (user is None) == (role is None):
        raise of_code("INVALID_ARGUMENT", "a grant is for a user or for a role: give one of them")
    to = {"user": user} if role is None else {"role": role}
    arguments = {"name": name, "namespace": namespace, "to": to, "actions": actions, "until": until}
    return Operation("grant", actor, arguments, lambda outcome: Granted(**outcome.told))


def revoke(name: str, grant_id: str, actor: str | Actor, namespace: str | None) -> Operation[None]:
    return Operation("revoke", actor, {"name": name, "namespace": namespace, "id": grant_id}, lambda _: None)


def grants(name: str, actor: str | Actor, namespace: str | None) -> Operation[list[Grant]]:
    def listed(outcome: Outcome) -> list[Grant]:
        return [told(Grant, {"user": None, "role": None, **each, **each["to"]}) for each in outcome.told["grants"]]

    return Operation("grants", actor, {"name": name, "namespace": namespace}, listed)


def census(actor: str | Actor) -> Operation[Census]:
    def counted(outcome: Outcome) -> Census:
        of = outcome.told
        keys = {key: KeyCount(**count) for key, count in of["keys"].items()}
        return Census(keys, of["formats"], of["unreadable"])

    return Operation("census", actor, {}, counted)


def rekey(actor: str | Actor, after: str | None, limit: int | None) -> Operation[Rekeyed]:
    return Operation("rekey", actor, {"after": after, "limit": limit}, lambda outcome: Rekeyed(**outcome.told))


def rekeyed_so_far(before: Rekeyed, page: Rekeyed) -> Rekeyed:
    return Rekeyed(
        before.examined + page.examined, before.changed + page.changed, before.unreadable + page.unreadable, page.next
    )


def renew_root(actor: str | Actor, after: str | None, limit: int | None) -> Operation[Renewed]:
    return Operation("renew_root", actor, {"after": after, "limit": limit}, lambda outcome: Renewed(**outcome.told))


def renewed_so_far(before: Renewed | None, page: Renewed) -> Renewed:
    if before is None:
        return page
    examined, changed = before.examined + page.examined, before.changed + page.changed
    return Renewed(page.epoch, examined, changed, before.unreadable + page.unreadable, page.next)


def retire(key_id: str, actor: str | Actor) -> Operation[Retired]:
    return Operation("retire", actor, {"key_id": key_id}, lambda outcome: Retired(**outcome.told))


def adopt(actor: str | Actor) -> Operation[Adopted]:
    return Operation("adopt", actor, {}, lambda outcome: Adopted(**outcome.told))


def copy_to(actor: str | Actor) -> Operation[Copied]:
    return Operation("copy_to", actor, {}, lambda outcome: Copied(**outcome.told))


def check_target(target: Any) -> None:
    """Raises `InvalidArgumentError` for what is no store."""
    if not all(callable(getattr(target, callback, None)) for callback in CALLBACKS):
        raise of_code(
            "INVALID_ARGUMENT",
            "that is no store to copy to: it has the methods load, list, commit and events",
            "copy_to",
        )


def command(text: Given, actor: str | Actor) -> Operation[CommandReply]:
    def reply(outcome: Outcome) -> CommandReply:
        return CommandReply(**{**outcome.told, "buttons": [Button(**button) for button in outcome.told["buttons"]]})

    return Operation("command", actor, {}, reply, text)


def open_vault(
    keyring: Keyring,
    store: Store | AsyncStore,
    *,
    confirm: Sequence[Change],
    actors: Sequence[str] | None,
    vault_id: str | None,
    value_max: int | None,
    proposal_millis: int | None,
    policy: PolicyGiven | None,
    events: Sequence[str] | None,
    watch: AccessWatch | None,
) -> _native.Vault:
    """Opens a vault. What is `None` has the core's default. Raises `InvalidArgumentError`, `LimitExceededError`."""
    if isinstance(confirm, str) or isinstance(actors, str) or isinstance(events, str):
        raise of_code("INVALID_ARGUMENT", "`confirm`, `actors` and `events` are lists, not one text")
    check_callbacks(store)
    if not isinstance(keyring, Keyring):
        raise of_code("INVALID_ARGUMENT", "the first argument is a `Keyring`, such as `Keyring.from_env()`")
    options = {
        "confirm": list(confirm),
        "actors": None if actors is None else list(actors),
        "vault_id": vault_id,
        "value_max": value_max,
        "proposal_millis": proposal_millis,
        "policy": wire("policy", policy),
        "events": None if events is None else list(events),
    }
    with translated():
        return _native.open_vault(keyring._handle, json.dumps(options), None if watch is None else watch._handle)


def metrics(vault: _native.Vault, prefix: str) -> str:
    if not isinstance(prefix, str):
        raise of_code("INVALID_ARGUMENT", "the prefix of metrics is a `str`, such as 'strongroom'", "metrics")
    with translated("metrics"):
        return vault.metrics(prefix)


def check_callbacks(store: object) -> None:
    """Whether something has what a store has. Raises `InvalidArgumentError`."""
    for callback in CALLBACKS:
        if not callable(getattr(store, callback, None)):
            message = f"that is no store, since it has no method `{callback}`: give one such as `SQLiteStore(path)`"
            raise of_code("INVALID_ARGUMENT", message)


CALLBACKS = ("load", "list", "commit", "events")
ROTATOR_CALLBACKS = ("create", "activate")


def _written(outcome: Outcome) -> Written:
    return told(Written, outcome.told)


def _secret(outcome: Outcome) -> Secret:
    if outcome.secret is None:
        raise RuntimeError("the native part gave no value")
    return Secret._of_vault(outcome.secret, told(SecretDetails, outcome.told))
