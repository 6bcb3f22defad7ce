"""An operation that is yet to be performed: who asks for what, with which value, and how that is said to the core."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from strongroom import _native
from strongroom._driver import drive
from strongroom._error import of_code, translated
from strongroom._secret import Secret
from strongroom._time import duration_millis, millis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from strongroom._driver import Outcome, Steps
    from strongroom._host import AsyncRotator, Host, Rotator

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
    roles: Sequence[str] = ()
    """The roles that the host vouches for, at most 64, for the vault's policy."""


@dataclass(frozen=True)
class Policy:
    """Who may do what, by roles; whatever no rule allows is denied. It is looked at when a vault is opened with it.

    >>> policy = Policy({"rules": [{"id": "staff", "roles": ["staff"], "actions": ["read"], "namespaces": ["shop"]}]})
    >>> from strongroom import Keyring, Vault
    >>> from strongroom.stores import MemoryStore
    >>> vault = Vault(Keyring.generate(), MemoryStore(), policy=policy)
    >>> vault.exists("KEY", actor=Actor("bob", roles=["staff"]), namespace="shop")
    False
    """

    document: Mapping[str, Any] | Literal["default"]
    """`{"rules": [{"id", "roles", "users", "actions", "namespaces", "names"}], "members": {user: [role]}}`.

    Actions are `read`, `write`, `list`, `delete`, `export`, `admin`, or `*` for all; namespaces and names are globs,
    and match all when left out.
    """

    @classmethod
    def default(cls) -> Policy:
        """The built-in roles: `senior-engineer` may do all; `engineer` and `analyst` read what they know by name."""
        return cls("default")


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

    @classmethod
    def maybe(cls, value: str | bytes | Secret | None) -> Given | None:
        """Nothing of nothing."""
        try:
            return None if value is None else cls(value)
        finally:
            del value

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
    """As Python has them. Those that are `None` are left out: the core has its own defaults."""
    result: Callable[[Outcome], T]
    given: Given | None = None
    rotator: Rotator | AsyncRotator | None = None
    offered: Sequence[Given] = ()
    """The values of an operation on many, in the order in which the arguments name what they are for."""

    def begin(self, vault: _native.Vault, host: Host) -> Steps:
        """Its steps, to be run at once: the session is closed at their end."""
        handing_over = nullcontext() if self.given is None else self.given.handed_over()
        with translated(self.name), handing_over as value:
            given = {key: wire(key, argument) for key, argument in self.arguments.items() if argument is not None}
            with ExitStack() as handing:
                # All of them first: what was made for the operation is wiped, however it begins.
                values = [handing.enter_context(each.handed_over()) for each in self.offered]
                session = vault.begin(json.dumps({"op": self.name, "actor": _wire_actor(self.actor), **given}), value)
                for each in values:
                    session.offer(each)
        return drive(session, host if self.rotator is None else replace(host, rotator=self.rotator), self.name)


_INSTANTS = {"expires_at", "session_expires_at", "until"}
_DURATIONS = {"ahead_millis", "expires_in", "grace_millis"}
_LISTS = {"actions", "names", "notify", "recipients", "roles"}


def wire(key: str, argument: Any) -> Any:
    """An argument as JSON has it, by its name. Raises `InvalidArgumentError`."""
    try:
        if key in _INSTANTS:
            return millis(argument)
        if key in _DURATIONS:
            return duration_millis(argument)
    except (TypeError, ValueError) as error:
        raise of_code("INVALID_ARGUMENT", f"{key.removesuffix('_millis')}: {error}") from None
    if key in _LISTS:
        if isinstance(argument, str):
            raise of_code("INVALID_ARGUMENT", f"`{key}` is a list, not one text")
        return list(argument)
    if key == "entries":
        return [{field: wire(field, value) for field, value in entry.items()} for entry in argument]
    if isinstance(argument, Policy):
        argument = argument.document
    return dict(argument) if isinstance(argument, Mapping) else argument


def _wire_actor(actor: str | Actor) -> dict[str, Any]:
    if isinstance(actor, str):
        return {"id": actor}
    if not isinstance(actor, Actor):
        raise of_code("INVALID_ARGUMENT", "the actor is neither an id, as a `str`, nor a `strongroom.Actor`")
    optional = {"session_expires_at": actor.session_expires_at, "roles": actor.roles or None}
    told = {key: wire(key, argument) for key, argument in optional.items() if argument is not None}
    return {"id": actor.id, "platform": actor.platform, **told}
