"""The vault: typed methods over sessions. What they return is converted here and decided in the core."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from strongroom import _native
from strongroom._driver import Outcome, drive, run
from strongroom._error import of_code, translated
from strongroom._secret import Secret, SecretDetails
from strongroom._time import instant, millis

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from strongroom._keyring import Keyring
    from strongroom.stores import Store

Change = Literal["set", "rotate", "delete"]


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


class Vault:
    """A vault over a store. It keeps no state of the store and caches no value.

    Every method raises subclasses of `StrongroomError`; besides what each one says: `PermissionDeniedError`,
    `SessionExpiredError`, `NameInvalidError`, `ConflictError`, `StorageFailedError`, `RecordTamperedError`,
    `VaultHeadMissingError`, `KeyUnknownError`.

    >>> from strongroom.stores import MemoryStore
    >>> from strongroom import Keyring
    >>> vault = Vault(Keyring.generate(), MemoryStore())
    >>> vault.set("STRIPE_API_KEY", "sk_test_abc123", actor="alice").version
    1
    >>> vault.get("STRIPE_API_KEY", actor="alice").reveal()
    'sk_test_abc123'
    """

    __slots__ = ("_handle", "_store")

    def __init__(
        self,
        keyring: Keyring,
        store: Store,
        *,
        confirm: Sequence[Change] = (),
        actors: Sequence[str] | None = None,
        vault_id: str | None = None,
        value_max: int = 65536,
        proposal_millis: int = 300_000,
    ) -> None:
        """Opens a vault.

        `confirm`: the changes that chat commands propose first. `actors`: the ids of those who may use the vault;
        everybody who can call it when `None`. `vault_id`: the vault that the store must hold, 32 hex digits; pinning it
        keeps a stripped store from being taken for a new one. `value_max`: the longest value in bytes.
        `proposal_millis`: how long a proposal waits. Raises `InvalidArgumentError`.
        """
        if isinstance(confirm, str) or isinstance(actors, str):
            raise of_code("INVALID_ARGUMENT", "`confirm` and `actors` are lists, not one text")
        if not all(callable(getattr(store, callback, None)) for callback in ("load", "list", "commit", "events")):
            raise of_code("INVALID_ARGUMENT", "the store is none: it has the methods load, list, commit and events")
        options = {
            "confirm": list(confirm),
            "actors": None if actors is None else list(actors),
            "vault_id": vault_id,
            "value_max": value_max,
            "proposal_millis": proposal_millis,
        }
        with translated():
            self._handle = _native.open_vault(keyring._handle, json.dumps(options))
        self._store = store

    def set(
        self, name: str, value: str | bytes | Secret, *, actor: str | Actor, namespace: str | None = None
    ) -> Written:
        """Gives a secret a value, whether it is new or not. Raises `ValueInvalidError`."""
        value = _held(value)
        return _written(self._run("set", actor, value, name=name, namespace=namespace))

    def get(self, name: str, *, actor: str | Actor, namespace: str | None = None) -> Secret:
        """Reads a secret's value. Raises `SecretNotFoundError`, `SecretDisabledError`, `NotAuthenticError`."""
        outcome = self._drive("get", actor, None, name=name, namespace=namespace)
        if outcome.secret is None:
            raise RuntimeError("the native part gave no value")
        told = {**outcome.told, "last_rotated": instant(outcome.told["last_rotated"])}
        return Secret._of_vault(outcome.secret, SecretDetails(**told))

    def exists(self, name: str, *, actor: str | Actor, namespace: str | None = None) -> bool:
        """Whether there is a secret of that name. Recorded only when refused."""
        return bool(self._run("exists", actor, name=name, namespace=namespace))

    def list(self, *, actor: str | Actor, namespace: str | None = None) -> list[Listed]:
        """What secrets there are, in one namespace or in all, without a value of any."""
        return [_told(Listed, secret) for secret in self._run("list", actor, namespace=namespace)["secrets"]]

    def rotate(
        self, name: str, value: str | bytes | Secret, *, actor: str | Actor, namespace: str | None = None
    ) -> Written:
        """Gives an existing secret a new value. Raises `SecretNotFoundError`, `ValueInvalidError`."""
        value = _held(value)
        return _written(self._run("rotate", actor, value, name=name, namespace=namespace))

    def delete(self, name: str, *, actor: str | Actor, namespace: str | None = None) -> Written:
        """Deletes a secret; its history stays under the name. Raises `SecretNotFoundError`."""
        return _written(self._run("delete", actor, name=name, namespace=namespace))

    def audit(
        self, name: str | None = None, *, actor: str | Actor, namespace: str | None = None, limit: int = 20
    ) -> Sequence[AuditEvent]:
        """The latest events of one secret or of the whole vault, latest first; `limit` is 1 to 1000.

        Raises `AuditTamperedError`.
        """
        told = self._run("audit", actor, name=name, namespace=namespace, limit=limit)
        return [_told(AuditEvent, event) for event in told["events"]]

    def verify_audit(self, *, actor: str | Actor) -> AuditReport:
        """Verifies the whole history. Raises `AuditTamperedError`, naming the first bad event and what is wrong."""
        return AuditReport(**self._run("verify_audit", actor))

    def propose(
        self,
        change: Change,
        name: str,
        value: str | bytes | Secret | None = None,
        *,
        actor: str | Actor,
        namespace: str | None = None,
    ) -> Proposed:
        """Proposes a change for the actor to confirm; a deletion takes no value."""
        value = None if value is None else _held(value)
        told = self._run("propose", actor, value, change=change, name=name, namespace=namespace)
        proposed: Proposed = _told(Proposed, told)
        return proposed

    def confirm(self, id: str, *, actor: str | Actor) -> Confirmed:  # noqa: A002
        """Confirms a proposal; confirmed again, it tells its first outcome.

        Raises `ConfirmationNotFoundError`, `ConfirmationExpiredError`, `ConfirmationMismatchError`,
        `ChangedSinceProposedError`.
        """
        told = self._run("confirm", actor, id=id)
        return Confirmed(told["change"], _written(told["written"]), told["repeated"])

    def cancel(self, id: str, *, actor: str | Actor) -> None:  # noqa: A002
        """Withdraws a proposal. Raises `ConfirmationNotFoundError`, `ConfirmationMismatchError`."""
        self._run("cancel", actor, id=id)

    def census(self, *, actor: str | Actor) -> Census:
        """Counts the stored values by key and by format: what a change of keys has left to do."""
        told = self._run("census", actor)
        keys = {key: KeyCount(**count) for key, count in told["keys"].items()}
        return Census(keys, told["formats"], told["unreadable"])

    def adopt(self, *, actor: str | Actor) -> Adopted:
        """Adopts rows that another program wrote into the store after its adoption; until then they are refused."""
        return Adopted(**self._run("adopt", actor))

    def command(self, text: str, *, actor: str | Actor) -> CommandReply:
        """Runs a chat command such as `secret get NAME` and answers in words, values masked.

        Raises only what the sender can do nothing about, such as `StorageFailedError`; refusals are answered in words,
        with their `code`.
        """
        message = Secret(text)
        del text  # It may carry a value.
        told = self._run("command", actor, message)
        return CommandReply(**{**told, "buttons": [Button(**button) for button in told["buttons"]]})

    def _run(self, operation: str, actor: str | Actor, value: Secret | None = None, **arguments: Any) -> Any:
        return self._drive(operation, actor, value, **arguments).told

    def _drive(self, operation: str, actor: str | Actor, value: Secret | None, **arguments: Any) -> Outcome:
        given = {key: argument for key, argument in arguments.items() if argument is not None}
        wire = json.dumps({"op": operation, "actor": _wire_actor(actor), **given})
        with translated(operation):
            session = self._handle.begin(wire, None if value is None else value._handle)
        return run(drive(session, self._store, operation))


def _held(value: str | bytes | Secret) -> Secret:
    """A value out of Python's heap: no frame of ours goes on holding it as text, which a traceback could show."""
    return value if isinstance(value, Secret) else Secret(value)


def _wire_actor(actor: str | Actor) -> dict[str, Any]:
    if isinstance(actor, str):
        return {"id": actor}
    if not isinstance(actor, Actor):
        raise of_code("INVALID_ARGUMENT", "the actor is none: give an id or an Actor")
    try:
        expires = millis(actor.session_expires_at)
    except ValueError as error:
        raise of_code("INVALID_ARGUMENT", str(error)) from None
    return {"id": actor.id, "platform": actor.platform, "session_expires_at": expires}


_INSTANTS = {"at", "last_rotated", "last_accessed", "created_at", "expires_at"}


def _told(kind: type[Any], wire: dict[str, Any]) -> Any:
    """The dataclass of what the core told, instants as `datetime`; fields that the class does not have are left out."""
    fields = kind.__dataclass_fields__
    return kind(**{key: instant(value) if key in _INSTANTS else value for key, value in wire.items() if key in fields})


def _written(wire: dict[str, Any]) -> Written:
    written: Written = _told(Written, wire)
    return written
