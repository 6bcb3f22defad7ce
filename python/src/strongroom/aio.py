"""The vault for asyncio, over synchronous and asynchronous stores.

Cancelled, an operation ends at once: what it held is wiped, and the store is as it was before or as it is after. A
commit that a worker thread is running already goes on there to its own end.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from strongroom import _archives as archives
from strongroom import _history as history
from strongroom import _many as many
from strongroom import _operations as operations
from strongroom import _tree
from strongroom._access import watch_of
from strongroom._call import Given
from strongroom._host import Host, read_env, read_file
from strongroom._loop import coroutine_function, run
from strongroom._results import Rekeyed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
    from datetime import datetime, timedelta

    from strongroom._access import AccessRules, AccessWatch
    from strongroom._archives import ImportReport
    from strongroom._call import Actor, Operation
    from strongroom._history import ExportFormat, SigningKey
    from strongroom._host import (
        AsyncOnEvent,
        AsyncOnFinding,
        AsyncReadFile,
        AsyncRotator,
        OnEvent,
        OnFinding,
        ReadEnv,
        ReadFile,
        Rotator,
    )
    from strongroom._keyring import Keyring
    from strongroom._manifest import Manifest
    from strongroom._many import IfExists, ManyValues
    from strongroom._operations import Generator, PolicyGiven
    from strongroom._results import (
        Adopted,
        AuditEvent,
        AuditReport,
        Census,
        Change,
        CommandReply,
        Confirmed,
        Copied,
        Grant,
        GrantAction,
        Granted,
        Identified,
        Listed,
        ListedVersion,
        ManifestReport,
        PolicyInForce,
        Proposed,
        Purged,
        Renewed,
        Retired,
        RotationReport,
        RotationState,
        Sensitivity,
        Swept,
        Verified,
        Written,
        WrittenMany,
    )
    from strongroom._secret import Secret
    from strongroom.stores import AsyncStore, Store

__all__ = ["Vault"]

T = TypeVar("T")


class Vault:
    """A vault over a store, its methods coroutines. It keeps no state of the store and caches no value.

    The store's callbacks may be asynchronous, and are awaited in the event loop, or synchronous, and run in the loop's
    worker threads, several at once: the store must be safe to share between threads, as those of this package are. One
    vault serves any number of tasks and event loops.

    What methods raise is what those of `strongroom.Vault` raise. A store that raises `asyncio.CancelledError` although
    nobody cancelled the task has failed; Python 3.10 cannot tell the difference, and takes it for a cancellation.

    >>> from strongroom.stores import MemoryStore
    >>> from strongroom import Keyring
    >>> async def main() -> str:
    ...     vault = Vault(Keyring.generate(), MemoryStore())
    ...     await vault.set("STRIPE_API_KEY", "sk_test_abc123", actor="alice")
    ...     return (await vault.get("STRIPE_API_KEY", actor="alice")).reveal()
    >>> import asyncio
    >>> asyncio.run(main())
    'sk_test_abc123'
    """

    __slots__ = ("_handle", "_host")

    def __init__(
        self,
        keyring: Keyring,
        store: Store | AsyncStore,
        *,
        confirm: Sequence[Change] = (),
        actors: Sequence[str] | None = None,
        vault_id: str | None = None,
        value_max: int | None = None,
        proposal_millis: int | None = None,
        policy: PolicyGiven | None = None,
        read_env: ReadEnv | None = read_env,
        read_file: ReadFile | AsyncReadFile | None = read_file,
        on_event: OnEvent | AsyncOnEvent | None = None,
        events: Sequence[str] = (),
        access_rules: AccessRules | AccessWatch | None = None,
        on_finding: OnFinding | AsyncOnFinding | None = None,
    ) -> None:
        """Opens a vault; nothing is asked of the store yet.

        `confirm`: the changes that chat commands propose first. `actors`: the ids of those who may use the vault;
        everybody who can call it when `None`. `vault_id`: the vault that the store must hold, 32 hex digits; pinning it
        keeps a stripped store from being taken for a new one. `value_max`: the longest value in bytes, 65536 when
        `None`. `proposal_millis`: how long a proposal waits, 300000 (5 minutes) when `None`. `policy`: who
        may do what, fixed in code, `"default"` for the built-in roles; that of the store, if it has one, when `None`.
        `on_event`: is told of every `AuditEvent` that this vault commits, or of those that `events` names: `denied`,
        `error`, `previous_used` (a previous value was accepted within its grace), `overdue`, `emergency`, or the name
        of an action, such as `set_policy`; what it raises is logged, and fails nothing.
        `access_rules`: what of the events that this vault commits is unusual, or an `AccessWatch` that has seen the
        history; `on_finding`: is told of every `AccessFinding`, as `on_event` is of events.
        `read_env` and `read_file`: where `env:` and `file:` references are looked up, nowhere when `None`; the
        variables of this process, and files of at most 1 MiB that it can read, unless told otherwise.
        Raises `InvalidArgumentError`, `LimitExceededError`.
        """
        self._handle = operations.open_vault(
            keyring,
            store,
            confirm=confirm,
            actors=actors,
            vault_id=vault_id,
            value_max=value_max,
            proposal_millis=proposal_millis,
            policy=policy,
            # Without a hook there is nobody to tell.
            events=None if on_event is None else events,
            watch=watch_of(access_rules, on_finding),
        )
        self._host = Host(store, read_env, read_file, on_event=on_event, on_finding=on_finding)

    @coroutine_function
    def set(
        self,
        name: str,
        value: str | bytes | Secret | None = None,
        *,
        actor: str | Actor,
        namespace: str | None = None,
        generate: Generator | None = None,
        sensitivity: Sensitivity | None = None,
        expires_at: datetime | None = None,
        expires_in: timedelta | None = None,
        notify: Sequence[str] | None = None,
        generator: Generator | None = None,
    ) -> Coroutine[Any, Any, Written]:
        """Gives a secret a value, given or made by `generate`, whether it is new or not.

        `sensitivity`, `notify` (at most 16 contacts) and `generator` (makes the next value when it is rotated without
        one) stay as they are when `None`. The new value ends at `expires_at` or after `expires_in`; never when both are
        `None`. Raises `ValueInvalidError`, `LimitExceededError`.
        """
        operation = operations.set_(
            name,
            Given.maybe(value),
            actor,
            namespace,
            generate=generate,
            sensitivity=sensitivity,
            expires_at=expires_at,
            expires_in=expires_in,
            notify=notify,
            generator=generator,
        )
        return self._run(operation)

    async def get(self, name: str, *, actor: str | Actor, namespace: str | None = None) -> Secret:
        """Reads a secret's value.

        Raises `SecretNotFoundError`, `SecretDisabledError`, `SecretExpiredError`, `VersionCompromisedError`,
        `NotAuthenticError`.
        """
        return await self._run(operations.get(name, actor, namespace))

    async def exists(self, name: str, *, actor: str | Actor, namespace: str | None = None) -> bool:
        """Whether there is a secret of that name. Recorded only when refused."""
        return await self._run(operations.exists(name, actor, namespace))

    async def list(self, *, actor: str | Actor, namespace: str | None = None) -> list[Listed]:
        """What secrets there are, in one namespace or in all, without a value of any."""
        return await self._run(operations.list_(actor, namespace))

    @coroutine_function
    def rotate(
        self,
        name: str,
        value: str | bytes | Secret | None = None,
        *,
        actor: str | Actor,
        namespace: str | None = None,
        generate: Generator | None = None,
        rotator: Rotator | AsyncRotator | None = None,
        grace: timedelta | None = None,
        expires_at: datetime | None = None,
        expires_in: timedelta | None = None,
    ) -> Coroutine[Any, Any, Written]:
        """Gives an existing secret a new value: given, or made by `generate`, `rotator` or its own generator.

        For as long as `grace` (up to 366 days) `verify` still accepts the old value; not at all when `None`. What a
        rotator makes is created where it is used, kept sealed, and current once it is activated there; cut short
        anywhere, it is called again and goes on. Raises `SecretNotFoundError`, `ValueInvalidError`, and
        `RotationFailedError`, with what the rotator raised as its cause.
        """
        operation = operations.rotate(
            name,
            Given.maybe(value),
            actor,
            namespace,
            generate=generate,
            rotator=rotator,
            grace=grace,
            expires_at=expires_at,
            expires_in=expires_in,
        )
        return self._run(operation)

    async def delete(self, name: str, *, actor: str | Actor, namespace: str | None = None) -> Written:
        """Deletes a secret; its history stays under the name. Raises `SecretNotFoundError`."""
        return await self._run(operations.update("delete", name, actor, namespace))

    async def disable(self, name: str, *, actor: str | Actor, namespace: str | None = None) -> Written:
        """Disables a secret: it is refused on get and verifies nothing. Raises `SecretNotFoundError`."""
        return await self._run(operations.update("disable", name, actor, namespace))

    async def enable(self, name: str, *, actor: str | Actor, namespace: str | None = None) -> Written:
        """Enables a disabled secret again. Raises `SecretNotFoundError`."""
        return await self._run(operations.update("enable", name, actor, namespace))

    async def versions(self, name: str, *, actor: str | Actor, namespace: str | None = None) -> Sequence[ListedVersion]:
        """A secret's last 10 versions without their values, newest first. Raises `SecretNotFoundError`."""
        return await self._run(operations.versions(name, actor, namespace))

    async def rollback(self, name: str, version: int, *, actor: str | Actor, namespace: str | None = None) -> Written:
        """Makes a new version from an earlier one.

        Raises `SecretNotFoundError`, `VersionNotFoundError`, `VersionCompromisedError`.
        """
        return await self._run(operations.rollback(name, version, actor, namespace))

    @coroutine_function
    def verify(
        self, name: str, value: str | bytes | Secret, *, actor: str | Actor, namespace: str | None = None
    ) -> Coroutine[Any, Any, Verified]:
        """Whether a presented value is the secret's current one, or a previous one within its grace; in constant time.

        A refused one is recorded as denied, the use of a previous one as `verify_previous`. Raises
        `SecretNotFoundError`.
        """
        return self._run(operations.verify(name, Given(value), actor, namespace))

    async def revoke_previous(self, name: str, *, actor: str | Actor, namespace: str | None = None) -> Written:
        """Ends the grace of previous values at once. Raises `SecretNotFoundError`."""
        return await self._run(operations.update("revoke_previous", name, actor, namespace))

    async def expire(
        self,
        name: str,
        *,
        actor: str | Actor,
        namespace: str | None = None,
        expires_at: datetime | None = None,
        expires_in: timedelta | None = None,
    ) -> Written:
        """Gives a secret's value an end, or takes it away when both are `None`. Raises `SecretNotFoundError`."""
        return await self._run(operations.expire(name, actor, namespace, expires_at=expires_at, expires_in=expires_in))

    async def purge(self, *, actor: str | Actor, namespace: str | None = None) -> Purged:
        """Deletes the expired secrets, of one namespace or of all, and the proposals that are over."""
        return await self._run(operations.purge(actor, namespace))

    async def rotation_status(
        self, *, actor: str | Actor, namespace: str | None = None, ahead: timedelta | None = None
    ) -> RotationReport:
        """Which secrets are due for rotation, or will be within `ahead` (7 days when `None`), and whom to tell."""
        return await self._run(operations.rotation_status(actor, namespace, ahead=ahead))

    async def due(
        self, *, actor: str | Actor, namespace: str | None = None, ahead: timedelta | None = None
    ) -> Sequence[RotationState]:
        """The secrets that are due within `ahead` (7 days when `None`), the longest due first.

        Of one namespace or of all, those that the actor may list and read; found by an index. Those that are overdue
        are recorded as such, 500 at most, for whoever is to be told.
        """
        return await self._run(operations.due(actor, namespace, ahead=ahead))

    @coroutine_function
    def identify(
        self, value: str | bytes | Secret, *, actor: str | Actor, namespace: str | None = None
    ) -> Coroutine[Any, Any, Identified]:
        """Whose value a presented one is, among the secrets of one namespace or of all that the actor may read.

        Found by its keyed fingerprint, then compared in constant time.
        """
        return self._run(operations.identify(Given(value), actor, namespace))

    async def rotate_due(
        self,
        *,
        actor: str | Actor,
        namespace: str | None = None,
        grace: timedelta | None = None,
        limit: int | None = None,
        on_progress: Callable[[Swept], object] | None = None,
    ) -> Swept:
        """Rotates what is due, of one namespace or of all that the actor may write, by the secrets' own generators.

        `verify` accepts the old values for the `grace`, at most 366 days. Goes by pages of `limit` secrets (1 to 500,
        50 when `None`) and calls `on_progress` with what is done after each.
        """
        arguments = {"namespace": namespace, "grace_millis": grace, "limit": limit}
        return await self._sweep(operations.Sweep("rotate_due", actor, arguments), on_progress)

    async def rotate_all(
        self,
        *,
        actor: str | Actor,
        namespace: str | None = None,
        grace: timedelta | None = None,
        limit: int | None = None,
        on_progress: Callable[[Swept], object] | None = None,
    ) -> Swept:
        """As `rotate_due`, with all secrets, due or not."""
        arguments = {"namespace": namespace, "grace_millis": grace, "limit": limit}
        return await self._sweep(operations.Sweep("rotate_all", actor, arguments), on_progress)

    async def emergency_rotate(
        self,
        name: str | None = None,
        *,
        actor: str | Actor,
        namespace: str | None = None,
        disable: bool = False,
        limit: int | None = None,
        on_progress: Callable[[Swept], object] | None = None,
    ) -> Swept:
        """Rotates what leaked, at once and without grace: one secret, those of a namespace, or all.

        No operation gives, accepts or brings back a value from before; open proposals are cancelled. What has no
        generator is told in `left`: it is disabled with `disable`, otherwise it stays in use until somebody gives it
        another value. Cut short, it is begun again. Raises `SecretNotFoundError`.
        """
        arguments = {"name": name, "namespace": namespace, "disable": disable, "limit": limit}
        return await self._sweep(operations.Sweep("emergency_rotate", actor, arguments), on_progress)

    async def audit(
        self, name: str | None = None, *, actor: str | Actor, namespace: str | None = None, limit: int | None = None
    ) -> Sequence[AuditEvent]:
        """The latest events of one secret or of the whole vault, latest first; `limit` is 1 to 1000, 20 when `None`.

        Raises `AuditTamperedError`.
        """
        return await self._run(operations.audit(name, actor, namespace, limit))

    async def verify_audit(
        self, *, actor: str | Actor, checkpoint: str | None = None, verifiers: Sequence[str] | None = None
    ) -> AuditReport:
        """Verifies the whole history, and that it still holds what a checkpoint that was kept elsewhere attests.

        `verifiers`: who may have signed the checkpoint, as `SigningKey.verifier()` tells; needed with one. Raises
        `AuditTamperedError`, naming the first bad event and what is wrong; `BackupInvalidError` for a checkpoint that
        none of the verifiers signed.
        """
        return await self._run(history.verify_audit(actor, checkpoint, verifiers))

    async def checkpoint(self, *, actor: str | Actor, signing_key: SigningKey) -> str:
        """Verifies the whole history and signs how far every stream of it goes.

        Keep the text where those who keep the vault can't change it, for `verify_audit`. Raises `AuditTamperedError`.
        """
        return await self._run(history.checkpoint(actor, signing_key))

    async def export_audit(
        self,
        *,
        actor: str | Actor,
        format: ExportFormat = "jsonl",  # noqa: A002
        limit: int | None = None,
    ) -> AsyncIterator[str]:
        """The whole history as lines of JSON: stream by stream, oldest first, then the old rows of an adopted store.

        Read in pages of `limit` events (1 to 5000, 1000 when `None`), each of which is recorded. `format`: `jsonl`, the
        events as they are stored; or `ocsf`, OCSF events in CloudEvents. Raises `AuditTamperedError`.
        """
        after: str | None = None
        while True:
            lines, after = await self._run(history.export_audit(actor, format, after, limit))
            for line in lines:
                yield line
            if after is None:
                return

    @coroutine_function
    def propose(
        self,
        change: Change,
        name: str,
        value: str | bytes | Secret | None = None,
        *,
        actor: str | Actor,
        namespace: str | None = None,
    ) -> Coroutine[Any, Any, Proposed]:
        """Proposes a change for the actor to confirm; a deletion takes no value."""
        given = Given.maybe(value)
        return self._run(operations.propose(change, name, given, actor, namespace))

    async def confirm(self, id: str, *, actor: str | Actor) -> Confirmed:  # noqa: A002
        """Confirms a proposal; confirmed again, it tells its first outcome.

        Raises `ConfirmationNotFoundError`, `ConfirmationExpiredError`, `ConfirmationMismatchError`,
        `ChangedSinceProposedError`.
        """
        return await self._run(operations.confirm(id, actor))

    async def cancel(self, id: str, *, actor: str | Actor) -> None:  # noqa: A002
        """Withdraws a proposal. Raises `ConfirmationNotFoundError`, `ConfirmationMismatchError`."""
        await self._run(operations.cancel(id, actor))

    async def set_policy(self, policy: PolicyGiven, *, actor: str | Actor) -> None:
        """Sets the store's policy. What it does not allow is denied then; it must let the actor set it again.

        Raises `UnsupportedError` when the policy is fixed in code, `LimitExceededError`.
        """
        await self._run(operations.set_policy(policy, actor))

    async def policy(self, *, actor: str | Actor) -> PolicyInForce:
        """The policy that is in force."""
        return await self._run(operations.policy(actor))

    async def grant(
        self,
        name: str,
        *,
        actor: str | Actor,
        namespace: str | None = None,
        user: str | None = None,
        role: str | None = None,
        actions: Sequence[GrantAction],
        until: datetime | None = None,
    ) -> Granted:
        """Gives a user or a role access to one secret, for good or until a time (exclusive).

        Raises `SecretNotFoundError`, `LimitExceededError` beyond 64 grants.
        """
        return await self._run(
            operations.grant(name, actor, namespace, user=user, role=role, actions=actions, until=until)
        )

    async def revoke(self, name: str, grant_id: str, *, actor: str | Actor, namespace: str | None = None) -> None:
        """Takes a grant back. Raises `SecretNotFoundError`, `InvalidArgumentError` when there is no such grant."""
        await self._run(operations.revoke(name, grant_id, actor, namespace))

    async def grants(self, name: str, *, actor: str | Actor, namespace: str | None = None) -> Sequence[Grant]:
        """The grants of a secret that have not ended. Raises `SecretNotFoundError`."""
        return await self._run(operations.grants(name, actor, namespace))

    @coroutine_function
    def resolve(self, tree: Any, *, actor: str | Actor, namespace: str | None = None) -> Coroutine[Any, Any, Any]:
        """A copy of a tree of configuration, with a `Secret` for every `secret:KEY`, `env:VAR` and `file:PATH`.

        `plain:TEXT` is that text; what is no text stays as it is. Equal references give the same `Secret`; `reveal_all`
        gives a tree of texts. A `VAR_FILE` wins over `VAR` when its file exists. The tree is yours: whoever writes it
        has this process read its variables and files. Raises `ReferenceUnresolvedError`, one for all that stand for
        nothing, with their places; `ReferenceInvalidError`, `LimitExceededError`.
        """
        return self._run(_tree.resolve(tree, actor, namespace))

    async def census(self, *, actor: str | Actor) -> Census:
        """Counts the stored values by key and by format: what a change of keys has left to do."""
        return await self._run(operations.census(actor))

    async def rekey(
        self,
        *,
        actor: str | Actor,
        limit: int | None = None,
        on_progress: Callable[[Rekeyed], object] | None = None,
    ) -> Rekeyed:
        """Makes the keyring's primary the vault's, and seals everything anew under it.

        Goes by pages of `limit` secrets (1 to 500, 100 when `None`) and calls `on_progress` with the sums after each.
        Cut short, it is begun again: what was done is passed over. Raises `KeyringStaleError` when the key was retired.
        """
        so_far = Rekeyed(0, 0, 0, None)
        async for page in self.rekey_pages(actor=actor, limit=limit):
            so_far = operations.rekeyed_so_far(so_far, page)
            if on_progress is not None:
                on_progress(so_far)
        return so_far

    async def rekey_pages(
        self, *, actor: str | Actor, after: str | None = None, limit: int | None = None
    ) -> AsyncIterator[Rekeyed]:
        """As `rekey`, page by page from `after` on: a page is done when it is told of, and `next` is where to go on."""
        while True:
            page = await self._run(operations.rekey(actor, after, limit))
            yield page
            after = page.next
            if after is None:
                return

    async def renew_root(
        self,
        *,
        actor: str | Actor,
        limit: int | None = None,
        on_progress: Callable[[Renewed], object] | None = None,
    ) -> Renewed:
        """Replaces the vault's root, which authenticates its records and events, by a new one: for one that leaked.

        Goes by pages of `limit` secrets (1 to 500, 100 when `None`) and calls `on_progress` with the sums after each.
        Cut short, it is begun again, and goes on. After it, what carries a MAC of the root before is refused, and its
        events are still verified. Then `rekey` with a fresh key and `retire` the old one. Raises `KeyringStaleError`.
        """
        so_far: Renewed | None = None
        async for page in self.renew_root_pages(actor=actor, limit=limit):
            so_far = operations.renewed_so_far(so_far, page)
            if on_progress is not None:
                on_progress(so_far)
        if so_far is None:
            raise RuntimeError("a renewal has one page at least")
        return so_far

    async def renew_root_pages(
        self, *, actor: str | Actor, after: str | None = None, limit: int | None = None
    ) -> AsyncIterator[Renewed]:
        """As `renew_root`, page by page from `after` on: a page is done when it is told of."""
        while True:
            page = await self._run(operations.renew_root(actor, after, limit))
            yield page
            after = page.next
            if after is None:
                return

    async def retire(self, key_id: str, *, actor: str | Actor) -> Retired:
        """Disables a key that nothing needs any more; called again, marks it as destroyed, never to be used again.

        Raises `KeyInUseError`, which says by what, and `KeyUnknownError`.
        """
        return await self._run(operations.retire(key_id, actor))

    async def get_many(
        self, names: Sequence[str], *, actor: str | Actor, namespace: str | None = None
    ) -> dict[str, Secret]:
        """Reads up to 500 values at once, by name, all or none.

        Raises one error that tells all problems: what `get` raises, `LimitExceededError`.
        """
        return await self._run(many.get_many(names, actor, namespace))

    @coroutine_function
    def set_many(
        self,
        values: ManyValues,
        *,
        actor: str | Actor,
        namespace: str | None = None,
        if_exists: IfExists = "replace",
        dry_run: bool = False,
    ) -> Coroutine[Any, Any, WrittenMany]:
        """Gives up to 500 secrets values at once, all or none.

        A value stands for itself; what else `set` takes goes beside it: `{"KEY": {"value": "...", "notify": [...]}}` or
        `{"KEY": {"generate": "hex"}}`. Those that are there are replaced, skipped, or fail the whole. A `dry_run` tells
        what would be done. Raises one error that tells all problems: what `set` raises, `SecretExistsError`,
        `VersionCompromisedError`.
        """
        given = many.ManyGiven(values)
        del values
        return self._run(many.set_many(given, actor, namespace, if_exists=if_exists, dry_run=dry_run))

    async def import_env(
        self,
        *,
        actor: str | Actor,
        namespace: str | None = None,
        prefix: str = "SECRET_",
        names: Sequence[str] | None = None,
        if_exists: IfExists = "fail",
        dry_run: bool = False,
    ) -> WrittenMany:
        """Imports variables of the environment: those that begin with `prefix`, without it, or the `names` as they are.

        Raises what `set_many` raises, and `InvalidArgumentError` when one of `names` is not set.
        """
        operation = many.import_env(actor, namespace, prefix=prefix, names=names, if_exists=if_exists, dry_run=dry_run)
        return await self._run(operation)

    @coroutine_function
    def import_dotenv(
        self,
        text: str | bytes | Secret,
        *,
        actor: str | Actor,
        namespace: str | None = None,
        prefix: str | None = None,
        if_exists: IfExists = "fail",
        dry_run: bool = False,
    ) -> Coroutine[Any, Any, WrittenMany]:
        """Imports the variables of a `.env` file, given as its text; with a `prefix`, those that begin so, without it.

        Raises what `set_many` raises, and `InvalidArgumentError`, with the line, for what cannot be read.
        """
        given = Given(text)
        del text
        operation = many.import_dotenv(given, actor, namespace, prefix=prefix, if_exists=if_exists, dry_run=dry_run)
        return self._run(operation)

    async def provision(
        self, manifest: Manifest, *, actor: str | Actor, environment: str | None = None
    ) -> ManifestReport:
        """Makes the secrets that a manifest asks for, where there are none and the entry has a generator.

        Tells how all entries stand; plain ones are looked up in `os.environ`. Raises `InvalidArgumentError` for an
        environment that the manifest does not have, `ManifestInvalidError`, `LimitExceededError` beyond 500 secrets.
        """
        return await self._run(many.of_manifest("provision", manifest, actor, environment))

    async def check(self, manifest: Manifest, *, actor: str | Actor, environment: str | None = None) -> ManifestReport:
        """Tells how the entries of a manifest stand: which are missing, weak or placeholders, and why; no value.

        Plain entries are looked up in `os.environ`. Raises as `provision`.
        """
        return await self._run(many.of_manifest("check", manifest, actor, environment))

    @coroutine_function
    def export(
        self,
        *,
        actor: str | Actor,
        passphrase: str | bytes | Secret | None = None,
        recipients: Sequence[str] | None = None,
        namespace: str | None = None,
        names: Sequence[str] | None = None,
        history: bool = True,
        armor: bool = False,
    ) -> Coroutine[Any, Any, bytes]:
        """Exports secrets as an age file, which the `age` command opens: all, those of a `namespace`, or `names` of it.

        It is for a `passphrase` of at least 8 characters, which takes a second, or for `recipients`, `age1...` keys of
        `age-keygen`; `armor` makes it text. All versions and settings are in it, and the history of each secret unless
        told otherwise; each has an event of it. What cannot be opened refuses the whole. Raises one error that tells
        all problems: `PermissionDeniedError`, `SecretNotFoundError`, `KeyUnknownError`, `NotAuthenticError`;
        `AuditTamperedError`, `LimitExceededError`, `ValueInvalidError` for the passphrase.
        """
        given = Given.maybe(passphrase)
        del passphrase
        operation = archives.export(
            given, actor, namespace, recipients=recipients, names=names, history=history, armor=armor
        )
        return self._run(operation)

    @coroutine_function
    def import_(
        self,
        data: bytes | str,
        *,
        actor: str | Actor,
        passphrase: str | bytes | Secret | None = None,
        identities: Sequence[str | bytes | Secret] | None = None,
        on_conflict: IfExists = "fail",
        dry_run: bool = False,
    ) -> Coroutine[Any, Any, ImportReport]:
        """Imports the age file of an export, all or nothing: opened with a `passphrase`, or with `identities`.

        An identity is an `AGE-SECRET-KEY-1...` line or the whole file that `age-keygen` wrote. New secrets come with
        all their versions, sealed under this vault's key; those that are there fail the whole, are skipped, or are
        replaced by a new version. Their history comes along, and is closed. A `dry_run` tells what would be done.
        Raises `BackupInvalidError`, with the reason, for a file that cannot be opened or is no archive;
        `NameInvalidError`, `SecretExistsError`, `ValueInvalidError`, `VersionCompromisedError`, `SecretExpiredError`,
        `LimitExceededError`.
        """
        file, opening = Given(data), archives.Opening(passphrase, identities)
        del data, passphrase, identities
        operation = archives.import_(file, opening, actor, on_conflict=on_conflict, dry_run=dry_run)
        return self._run(operation)

    async def adopt(self, *, actor: str | Actor) -> Adopted:
        """Adopts rows that another program wrote into the store after its adoption; until then they are refused."""
        return await self._run(operations.adopt(actor))

    async def copy_to(self, target: Store | AsyncStore, *, actor: str | Actor) -> Copied:
        """Copies the vault to another store, an empty one, with its history: all answers are the same there.

        Nobody may use the vault meanwhile. A copy that was cut short is no vault, and every operation refuses it: empty
        that store and copy again. Raises `InvalidArgumentError` for a target that is not empty, `ConflictError` when
        the vault was used meanwhile, `RecordTamperedError`, `AuditTamperedError`.
        """
        operations.check_target(target)
        operation = operations.copy_to(actor)
        return operation.result(await run(operation.begin(self._handle, replace(self._host, target=target))))

    @coroutine_function
    def command(self, text: str, *, actor: str | Actor) -> Coroutine[Any, Any, CommandReply]:
        """Runs a chat command such as `secret get NAME` and answers in words, values masked.

        Raises only what the sender can do nothing about, such as `StorageFailedError`; refusals are answered in words,
        with their `code`.
        """
        return self._run(operations.command(Given(text), actor))

    def metrics(self, prefix: str = "strongroom") -> str:
        """What this vault has seen since it was opened, in the text format of Prometheus; `docs/metrics.md` has it all.

        Every name begins with the prefix and `_`. It asks nothing of the store. Raises `InvalidArgumentError` for a
        prefix that is none.
        """
        return operations.metrics(self._handle, prefix)

    async def _sweep(self, sweep: operations.Sweep, on_progress: Callable[[Swept], object] | None) -> Swept:
        after: str | None = None
        while True:
            after = await self._run(sweep.page(after))
            if on_progress is not None:
                on_progress(sweep.so_far)
            if after is None:
                return sweep.so_far

    async def _run(self, operation: Operation[T]) -> T:
        return operation.result(await run(operation.begin(self._handle, self._host)))
