"""The vault that works in the calling thread."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, TypeVar

from strongroom import _operations as operations
from strongroom._driver import asynchronous, run
from strongroom._operations import Given

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom._keyring import Keyring
    from strongroom._operations import (
        Actor,
        Adopted,
        AuditEvent,
        AuditReport,
        Census,
        Change,
        CommandReply,
        Confirmed,
        Listed,
        Operation,
        Proposed,
        Written,
    )
    from strongroom._secret import Secret
    from strongroom.stores import Store

__all__ = ["Vault"]

T = TypeVar("T")


class Vault:
    """A vault over a store. It keeps no state of the store and caches no value; `strongroom.aio.Vault` is for asyncio.

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
        value_max: int | None = None,
        proposal_millis: int | None = None,
    ) -> None:
        """Opens a vault.

        `confirm`: the changes that chat commands propose first. `actors`: the ids of those who may use the vault;
        everybody who can call it when `None`. `vault_id`: the vault that the store must hold, 32 hex digits; pinning it
        keeps a stripped store from being taken for a new one. `value_max`: the longest value in bytes, 65536 when
        `None`. `proposal_millis`: how long a proposal waits, 300000 (5 minutes) when `None`. Raises
        `InvalidArgumentError`, also for a store whose callbacks are to be awaited.
        """
        self._handle = operations.open_vault(
            keyring,
            store,
            confirm=confirm,
            actors=actors,
            vault_id=vault_id,
            value_max=value_max,
            proposal_millis=proposal_millis,
        )
        if any(inspect.iscoroutinefunction(getattr(store, callback)) for callback in operations.CALLBACKS):
            raise asynchronous()
        self._store = store

    def set(
        self, name: str, value: str | bytes | Secret, *, actor: str | Actor, namespace: str | None = None
    ) -> Written:
        """Gives a secret a value, whether it is new or not. Raises `ValueInvalidError`."""
        given = Given(value)
        del value
        return self._run(operations.set_(name, given, actor, namespace))

    def get(self, name: str, *, actor: str | Actor, namespace: str | None = None) -> Secret:
        """Reads a secret's value. Raises `SecretNotFoundError`, `SecretDisabledError`, `NotAuthenticError`."""
        return self._run(operations.get(name, actor, namespace))

    def exists(self, name: str, *, actor: str | Actor, namespace: str | None = None) -> bool:
        """Whether there is a secret of that name. Recorded only when refused."""
        return self._run(operations.exists(name, actor, namespace))

    def list(self, *, actor: str | Actor, namespace: str | None = None) -> list[Listed]:
        """What secrets there are, in one namespace or in all, without a value of any."""
        return self._run(operations.list_(actor, namespace))

    def rotate(
        self, name: str, value: str | bytes | Secret, *, actor: str | Actor, namespace: str | None = None
    ) -> Written:
        """Gives an existing secret a new value. Raises `SecretNotFoundError`, `ValueInvalidError`."""
        given = Given(value)
        del value
        return self._run(operations.rotate(name, given, actor, namespace))

    def delete(self, name: str, *, actor: str | Actor, namespace: str | None = None) -> Written:
        """Deletes a secret; its history stays under the name. Raises `SecretNotFoundError`."""
        return self._run(operations.delete(name, actor, namespace))

    def audit(
        self, name: str | None = None, *, actor: str | Actor, namespace: str | None = None, limit: int | None = None
    ) -> Sequence[AuditEvent]:
        """The latest events of one secret or of the whole vault, latest first; `limit` is 1 to 1000, 20 when `None`.

        Raises `AuditTamperedError`.
        """
        return self._run(operations.audit(name, actor, namespace, limit))

    def verify_audit(self, *, actor: str | Actor) -> AuditReport:
        """Verifies the whole history. Raises `AuditTamperedError`, naming the first bad event and what is wrong."""
        return self._run(operations.verify_audit(actor))

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
        given = None if value is None else Given(value)
        del value
        return self._run(operations.propose(change, name, given, actor, namespace))

    def confirm(self, id: str, *, actor: str | Actor) -> Confirmed:  # noqa: A002
        """Confirms a proposal; confirmed again, it tells its first outcome.

        Raises `ConfirmationNotFoundError`, `ConfirmationExpiredError`, `ConfirmationMismatchError`,
        `ChangedSinceProposedError`.
        """
        return self._run(operations.confirm(id, actor))

    def cancel(self, id: str, *, actor: str | Actor) -> None:  # noqa: A002
        """Withdraws a proposal. Raises `ConfirmationNotFoundError`, `ConfirmationMismatchError`."""
        self._run(operations.cancel(id, actor))

    def census(self, *, actor: str | Actor) -> Census:
        """Counts the stored values by key and by format: what a change of keys has left to do."""
        return self._run(operations.census(actor))

    def adopt(self, *, actor: str | Actor) -> Adopted:
        """Adopts rows that another program wrote into the store after its adoption; until then they are refused."""
        return self._run(operations.adopt(actor))

    def command(self, text: str, *, actor: str | Actor) -> CommandReply:
        """Runs a chat command such as `secret get NAME` and answers in words, values masked.

        Raises only what the sender can do nothing about, such as `StorageFailedError`; refusals are answered in words,
        with their `code`.
        """
        given = Given(text)
        del text  # It may carry a value.
        return self._run(operations.command(given, actor))

    def _run(self, operation: Operation[T]) -> T:
        return operation.result(run(operation.begin(self._handle, self._store), operation.name))
