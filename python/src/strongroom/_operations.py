"""What a vault does, described once: what each operation takes, and what it tells. Vaults only perform it.

What operations return is converted here and decided in the core.
"""

from __future__ import annotations

import json
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from strongroom import _native
from strongroom._driver import drive
from strongroom._error import of_code, translated
from strongroom._keyring import Keyring
from strongroom._secret import Secret, SecretDetails
from strongroom._time import instant, millis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from strongroom._driver import Outcome, Steps
    from strongroom.stores import AsyncStore, Store

Change = Literal["set", "rotate", "delete"]

T = TypeVar("T")


@dataclass(frozen=True)
class Actor:
    """Who acts. Where only the id matters, a plain `str` will do."""

    id: str
    """1 to 256 bytes without control characters, as the host knows it."""
    platform: str | None = None
    """What it speaks through, such as `telegram`."""
    session_expires_at: datetime | None = None
    """When its session ends (exclusive); must know its time zone."""


@dataclass(frozen=True)
class Written:
    """What a write did."""

    namespace: str
    name: str
    version: int | None
    """The version that is current now, from 1; `None` after a deletion."""
    created: bool
    at: datetime


@dataclass(frozen=True)
class Listed:
    """What a list tells of a secret."""

    namespace: str
    name: str
    version: int
    state: Literal["active", "disabled"]
    last_rotated: datetime | None
    accessed_count: int
    last_accessed: datetime | None
    created_by: str | None
    created_at: datetime | None


@dataclass(frozen=True)
class AuditEvent:
    """An event of the history. Old rows of an adopted store have no stream: they are outside the chain."""

    stream: str | None
    seq: int | None
    at: datetime | None
    operation_id: str | None
    """The operation that wrote it, 32 hex digits."""
    action: str | None
    secret_uid: str | None
    namespace: str | None
    name: str | None
    actor: str | None
    platform: str | None
    outcome: Literal["success", "denied", "error"] | None
    success: bool | None
    code: str | None
    reason: str | None


@dataclass(frozen=True)
class AuditReport:
    """What a verified history consists of."""

    vault_id: str
    """Which vault it is, 32 hex digits: to be pinned with `Vault(vault_id=...)`."""
    events: int
    streams: int
    unchained: int
    """Old rows outside the chain, found as they were adopted."""


@dataclass(frozen=True)
class Proposed:
    """A proposal that waits for its confirmation."""

    id: str
    """22 characters of `A-Z a-z 0-9 _ -`."""
    change: Change
    namespace: str
    name: str
    masked: str | None
    exists: bool
    expires_at: datetime


@dataclass(frozen=True)
class Confirmed:
    """What a confirmation did, or had done before."""

    change: Change
    written: Written
    repeated: bool
    """Whether it had been confirmed before, and nothing was done this time."""


@dataclass(frozen=True)
class KeyCount:
    """What needs one key."""

    values: int
    versions: int
    proposals: int
    root: int


@dataclass(frozen=True)
class Census:
    """What a store holds."""

    keys: dict[str, KeyCount]
    """By key id, 64 hex digits."""
    formats: dict[str, int]
    unreadable: int
    """Values in an old format that no key of the ring opens."""


@dataclass(frozen=True)
class Adopted:
    """What an adoption found."""

    secrets: int
    events: int


@dataclass(frozen=True)
class Button:
    """A button under an answer. Pressing it runs its command, at most 64 bytes."""

    label: str
    command: str


@dataclass(frozen=True)
class CommandReply:
    """The answer to a chat command, values masked."""

    text: str
    buttons: list[Button]
    carried_value: bool
    """Whether the message carried a value: delete it."""
    code: str | None
    """The error code, when the command was refused or failed."""


class Given:
    """A value on its way into an operation, out of Python's heap at once: what is in no frame is in no traceback.

    One that cannot be taken says so when it is handed over, when the frames that had it as text have let go of it.
    """

    __slots__ = ("_is_own", "_refusal", "_secret")

    def __init__(self, value: str | bytes | Secret) -> None:
        self._is_own = not isinstance(value, Secret)
        self._refusal: Exception | None = None
        try:
            self._secret = value if isinstance(value, Secret) else Secret(value)
        except Exception as refusal:
            # Without the frames that have it as text.
            self._refusal = refusal.with_traceback(None)

    @contextmanager
    def handed_over(self) -> Iterator[_native.Secret]:
        """Its handle, for a session to take a copy of; what was made for the operation alone is wiped then."""
        if self._refusal is not None:
            raise self._refusal
        try:
            yield self._secret._handle
        finally:
            if self._is_own:
                self._secret.wipe()


@dataclass(frozen=True)
class Operation(Generic[T]):
    """An operation that is yet to be performed."""

    name: str
    actor: str | Actor
    arguments: dict[str, Any]
    """Those that are `None` are left out: the core has its own defaults."""
    result: Callable[[Outcome], T]
    given: Given | None = None

    def begin(self, vault: _native.Vault, store: Store | AsyncStore) -> Steps:
        """Its steps, to be run at once: the session is closed at their end."""
        given = {key: argument for key, argument in self.arguments.items() if argument is not None}
        wire = json.dumps({"op": self.name, "actor": _wire_actor(self.actor), **given})
        handing_over = nullcontext() if self.given is None else self.given.handed_over()
        with translated(self.name), handing_over as value:
            session = vault.begin(wire, value)
        return drive(session, store, self.name)


def set_(name: str, given: Given, actor: str | Actor, namespace: str | None) -> Operation[Written]:
    return Operation("set", actor, {"name": name, "namespace": namespace}, _written, given)


def get(name: str, actor: str | Actor, namespace: str | None) -> Operation[Secret]:
    return Operation("get", actor, {"name": name, "namespace": namespace}, _secret)


def exists(name: str, actor: str | Actor, namespace: str | None) -> Operation[bool]:
    return Operation("exists", actor, {"name": name, "namespace": namespace}, lambda outcome: bool(outcome.told))


def list_(actor: str | Actor, namespace: str | None) -> Operation[list[Listed]]:
    def listed(outcome: Outcome) -> list[Listed]:
        return [_told(Listed, secret) for secret in outcome.told["secrets"]]

    return Operation("list", actor, {"namespace": namespace}, listed)


def rotate(name: str, given: Given, actor: str | Actor, namespace: str | None) -> Operation[Written]:
    return Operation("rotate", actor, {"name": name, "namespace": namespace}, _written, given)


def delete(name: str, actor: str | Actor, namespace: str | None) -> Operation[Written]:
    return Operation("delete", actor, {"name": name, "namespace": namespace}, _written)


def audit(
    name: str | None, actor: str | Actor, namespace: str | None, limit: int | None
) -> Operation[Sequence[AuditEvent]]:
    def events(outcome: Outcome) -> list[AuditEvent]:
        return [_told(AuditEvent, event) for event in outcome.told["events"]]

    return Operation("audit", actor, {"name": name, "namespace": namespace, "limit": limit}, events)


def verify_audit(actor: str | Actor) -> Operation[AuditReport]:
    return Operation("verify_audit", actor, {}, lambda outcome: AuditReport(**outcome.told))


def propose(
    change: Change, name: str, given: Given | None, actor: str | Actor, namespace: str | None
) -> Operation[Proposed]:
    def proposed(outcome: Outcome) -> Proposed:
        return _told(Proposed, outcome.told)

    arguments = {"change": change, "name": name, "namespace": namespace}
    return Operation("propose", actor, arguments, proposed, given)


def confirm(id: str, actor: str | Actor) -> Operation[Confirmed]:  # noqa: A002
    def confirmed(outcome: Outcome) -> Confirmed:
        told = outcome.told
        return Confirmed(told["change"], _told(Written, told["written"]), told["repeated"])

    return Operation("confirm", actor, {"id": id}, confirmed)


def cancel(id: str, actor: str | Actor) -> Operation[None]:  # noqa: A002
    return Operation("cancel", actor, {"id": id}, lambda _: None)


def census(actor: str | Actor) -> Operation[Census]:
    def counted(outcome: Outcome) -> Census:
        told = outcome.told
        keys = {key: KeyCount(**count) for key, count in told["keys"].items()}
        return Census(keys, told["formats"], told["unreadable"])

    return Operation("census", actor, {}, counted)


def adopt(actor: str | Actor) -> Operation[Adopted]:
    return Operation("adopt", actor, {}, lambda outcome: Adopted(**outcome.told))


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
) -> _native.Vault:
    """Opens a vault. What is `None` has the core's default. Raises `InvalidArgumentError`."""
    if isinstance(confirm, str) or isinstance(actors, str):
        raise of_code("INVALID_ARGUMENT", "`confirm` and `actors` are lists, not one text")
    check_callbacks(store)
    if not isinstance(keyring, Keyring):
        raise of_code("INVALID_ARGUMENT", "the first argument is a `Keyring`, such as `Keyring.from_env()`")
    options = {
        "confirm": list(confirm),
        "actors": None if actors is None else list(actors),
        "vault_id": vault_id,
        "value_max": value_max,
        "proposal_millis": proposal_millis,
    }
    with translated():
        return _native.open_vault(keyring._handle, json.dumps(options))


def check_callbacks(store: object) -> None:
    """Whether something has what a store has. Raises `InvalidArgumentError`."""
    for callback in CALLBACKS:
        if not callable(getattr(store, callback, None)):
            message = f"that is no store, since it has no method `{callback}`: give one such as `SQLiteStore(path)`"
            raise of_code("INVALID_ARGUMENT", message)


CALLBACKS = ("load", "list", "commit", "events")


def _wire_actor(actor: str | Actor) -> dict[str, Any]:
    if isinstance(actor, str):
        return {"id": actor}
    if not isinstance(actor, Actor):
        raise of_code("INVALID_ARGUMENT", "the actor is neither an id, as a `str`, nor a `strongroom.Actor`")
    try:
        expires = millis(actor.session_expires_at)
    except ValueError as error:
        raise of_code("INVALID_ARGUMENT", str(error)) from None
    return {"id": actor.id, "platform": actor.platform, "session_expires_at": expires}


_INSTANTS = {"at", "last_rotated", "last_accessed", "created_at", "expires_at"}


def _told(kind: type[T], wire: dict[str, Any]) -> T:
    """The dataclass of what the core told, instants as `datetime`; fields that the class does not have are left out."""
    fields = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return kind(**{key: instant(value) if key in _INSTANTS else value for key, value in wire.items() if key in fields})


def _written(outcome: Outcome) -> Written:
    return _told(Written, outcome.told)


def _secret(outcome: Outcome) -> Secret:
    if outcome.secret is None:
        raise RuntimeError("the native part gave no value")
    return Secret._of_vault(outcome.secret, _told(SecretDetails, outcome.told))
