"""What a vault's operations tell. Instants are aware `datetime`s in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from strongroom._time import instant

if TYPE_CHECKING:
    from datetime import datetime

Change = Literal["set", "rotate", "delete"]
Sensitivity = Literal["critical", "high", "standard", "none"]
"""How much harm a leak would do: due for rotation after 30, 90, 180 days, or as needed."""
GrantAction = Literal["read", "write", "delete"]

T = TypeVar("T")


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
    expires_at: datetime | None
    """From when on it is refused; `None` for never."""


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
    rule: str | None = None
    """What allowed it: the id of a rule of the policy, or `grant:` and that of a grant."""


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
class Copied:
    """What was copied to another store."""

    vault_id: str
    """Which vault it is, 32 hex digits."""
    secrets: int
    proposals: int
    events: int
    """The old rows outside the chain among them."""
    left: int
    """Rows of another program that were left behind: nobody could ask for their names."""


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


@dataclass(frozen=True)
class ListedVersion:
    """What is told of a version of a secret, never its value."""

    number: int
    """From 1."""
    current: bool
    at: datetime | None
    by: str | None
    reason: Literal["manual", "rotation", "emergency", "rollback", "import"]
    fingerprint: str | None
    """12 hex digits: equal values of a vault have equal ones."""
    compromised: bool
    """Whether it leaked, and is never accepted again."""
    valid_until: datetime | None
    """Until when (exclusive) `verify` accepts it although it is a previous one."""


@dataclass(frozen=True)
class Verified:
    """What became of a presented value. True when it is accepted."""

    accepted: bool
    matches: Literal["current", "previous"] | None
    version: int | None
    valid_until: datetime | None
    """Until when (exclusive) a previous one is accepted."""

    def __bool__(self) -> bool:
        return self.accepted


@dataclass(frozen=True)
class Purged:
    """What a purge deleted."""

    secrets: int
    """Those whose value had expired."""
    proposals: int
    """Those that were over."""


@dataclass(frozen=True)
class RotationState:
    """Where one secret stands."""

    namespace: str
    name: str
    sensitivity: Sensitivity
    standing: Literal["compliant", "due_soon", "overdue", "never"]
    """`never`: nobody knows since when its value is there."""
    last_rotated: datetime | None
    due_at: datetime | None
    """`None` when it never is, or nobody knows."""
    notify: list[str]


@dataclass(frozen=True)
class RotationReport:
    """Where the secrets of a vault stand, and how many of them in each standing."""

    secrets: list[RotationState]
    """By namespace and name."""
    compliant: int
    due_soon: int
    overdue: int
    never: int
    next_due: datetime | None
    """When the next one is due that is not overdue."""
    primary_created_at: datetime | None
    """When the primary key was made, where that is known."""


@dataclass(frozen=True)
class Identified:
    """Whose value a presented one is. True when a secret accepts it."""

    namespace: str | None
    name: str | None
    """Of the secret that accepts it."""
    accepted: bool
    matches: Literal["current", "previous"] | None
    version: int | None
    valid_until: datetime | None
    """Until when (exclusive) a previous one is accepted."""

    def __bool__(self) -> bool:
        return self.accepted


@dataclass(frozen=True)
class LeftOver:
    """A secret that was given no new value."""

    namespace: str
    name: str
    why: Literal["no_generator", "disabled", "expired", "failed"]
    """`no_generator`: somebody has to give it another value. `disabled`: it has none either, and was disabled."""
    code: str | None
    """The code of the error, when it failed."""


@dataclass(frozen=True)
class Swept:
    """What was rotated, and what was not."""

    rotated: list[Written]
    left: list[LeftOver]


@dataclass(frozen=True)
class PolicyInForce:
    """The policy that decides who may do what."""

    policy: dict[str, Any] | None
    """As `Policy` takes it; `None` when everybody may do everything."""
    fixed: bool
    """Whether it is fixed in code, by `Vault(policy=...)`, and can't be set."""


@dataclass(frozen=True)
class Granted:
    """What a grant came to."""

    id: str
    """By which it is revoked, 16 hex digits."""


@dataclass(frozen=True)
class Grant:
    """Access to one secret for a user or a role: one of both is `None`."""

    id: str
    user: str | None
    role: str | None
    actions: list[GrantAction]
    until: datetime | None
    """From when on it gives nothing any more; `None` for never."""
    granted_by: str
    granted_at: datetime


@dataclass(frozen=True)
class Rekeyed:
    """What a rekey did, or a page of it."""

    examined: int
    """Secrets and proposals that were looked at."""
    changed: int
    """Those of them that were written."""
    unreadable: int
    """Values that no key of the keyring opens: they were left as they are."""
    next: str | None
    """Where the next page begins; `None` after the last one."""


@dataclass(frozen=True)
class Renewed:
    """What a renewal of the vault's root did, or a page of it."""

    epoch: int
    """Which root is in force, from 1."""
    examined: int
    """Secrets, histories of deleted ones, and proposals that were looked at."""
    changed: int
    """Those of them that were written."""
    unreadable: int
    """Values that no key of the keyring opens: they have no fingerprint any more."""
    next: str | None
    """Where the next page begins; `None` after the last one, when the root before is believed no more."""


@dataclass(frozen=True)
class Retired:
    """What became of a key."""

    id: str
    """64 hex digits."""
    state: Literal["disabled", "destroyed"]


@dataclass(frozen=True)
class Skipped:
    """A secret that was there and stayed as it is."""

    namespace: str
    name: str


@dataclass(frozen=True)
class WrittenMany:
    """What a write of many did, or would do."""

    written: list[Written]
    """In the order in which they were given."""
    skipped: list[Skipped]
    dry_run: bool
    """Whether nothing was done, and this is what would be."""


@dataclass(frozen=True)
class EntryReport:
    """How an entry of a manifest stands."""

    namespace: str
    name: str
    kind: Literal["secret", "plain"]
    required: bool
    """Whether it is a fault when it is missing."""
    state: Literal[
        "ok", "missing", "weak", "placeholder", "expired", "disabled", "compromised", "unreadable", "unchecked"
    ]
    """`unreadable`: no key of the keyring opens it; `unchecked`: nobody looked, or the actor may not read it."""
    weaknesses: list[str]
    """`wrong_type`, `too_short`, `lacks_class`, `pattern_not_met`, `placeholder`, `weak_ssl_mode`."""
    created: bool
    """Whether it was made just now."""


@dataclass(frozen=True)
class ManifestReport:
    """How the entries of a manifest stand in an environment."""

    environment: str | None
    ok: bool
    """Whether nothing is left to do."""
    entries: list[EntryReport]
    """In the order of the manifest."""


_INSTANTS = {
    "at",
    "created_at",
    "due_at",
    "expires_at",
    "exported_at",
    "granted_at",
    "last_accessed",
    "last_rotated",
    "next_due",
    "primary_created_at",
    "until",
    "valid_until",
}


def told(kind: type[T], wire: dict[str, Any]) -> T:
    """The dataclass of what the core told, instants as `datetime`; fields that the class does not have are left out."""
    fields = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return kind(**{key: instant(value) if key in _INSTANTS else value for key, value in wire.items() if key in fields})
