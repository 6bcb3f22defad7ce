"""The history, verified from outside and exported: keys that sign, checkpoints, and the operations on them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NoReturn

from strongroom import _native
from strongroom._call import Given, Operation
from strongroom._error import of_code, translated
from strongroom._results import AuditReport
from strongroom._secret import Secret
from strongroom._time import instant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from strongroom._call import Actor
    from strongroom._driver import Outcome

ExportFormat = Literal["jsonl", "ocsf"]
"""How events are exported: as they are stored, or as OCSF events in CloudEvents."""


class SigningKey:
    """A key that signs checkpoints. No vault keeps it: it is given for the call, and kept apart from the vault's keys.

    >>> key = SigningKey.generate(name="example.com/vault")
    >>> key
    SigningKey(name='example.com/vault')
    >>> key.verifier().startswith("example.com/vault+")
    True
    """

    __slots__ = ("_name", "_secret")

    _secret: Secret
    _name: str

    def __init__(self) -> None:
        raise TypeError("use SigningKey.from_env(), SigningKey.parse(text) or SigningKey.generate()")

    @classmethod
    def _of(cls, handle: _native.Secret, name: str) -> SigningKey:
        key = cls.__new__(cls)
        key._secret, key._name = Secret._of_vault(handle, None), name
        return key

    @classmethod
    def generate(cls, *, name: str = "strongroom") -> SigningKey:
        """A fresh key. Keep it by `dangerous_export()`.

        `name`: what tells signers apart where a checkpoint has several, such as `example.com/vault`; 1 to 128 bytes
        without white space and plus signs. It is no part of the key's text. Raises `NameInvalidError`.
        """
        with translated():
            return cls._of(_native.generate_signing_key(name), name)

    @classmethod
    def parse(cls, text: str, *, name: str = "strongroom") -> SigningKey:
        """A key from its `srs1.` text. Raises `KeyInvalidError`, `NameInvalidError`."""
        try:
            with translated():
                return cls._of(_native.parse_signing_key(text, name), name)
        finally:
            del text  # A traceback that shows locals must not show it.

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, name: str = "strongroom") -> SigningKey:
        """The signing key of this process: `STRONGROOM_SIGNING_KEY`, or a file: `STRONGROOM_SIGNING_KEY_FILE`.

        Both set is an error, and a key is never generated. Raises `NotConfiguredError`, `KeyInvalidError`,
        `NameInvalidError`, `InvalidArgumentError`.
        """
        environ = os.environ if environ is None else environ
        key, file = environ.get("STRONGROOM_SIGNING_KEY"), environ.get("STRONGROOM_SIGNING_KEY_FILE")
        try:
            with translated():
                return cls._of(_native.signing_key_from_environment_values(key, file, name), name)
        finally:
            del environ, key  # A traceback that shows locals must not show them.

    @property
    def name(self) -> str:
        """What it is called."""
        return self._name

    def verifier(self) -> str:
        """What verifies its signatures, public: a C2SP verifier key, `<name>+<key id>+<base64 of the public key>`."""
        with translated():
            return _native.verifier_of(self._secret._handle, self._name)

    def dangerous_export(self) -> str:
        """The key as `srs1.` text, without its name. Whoever has it can sign histories that never were."""
        return self._secret.reveal()

    def __repr__(self) -> str:
        return f"SigningKey(name={self._name!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SigningKey is not pickled: export it where it is kept")


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says of itself."""

    vault_id: str
    """The vault that it is of, 32 hex digits."""
    at: datetime
    """When it was made, UTC."""
    streams: int
    """Of how many streams it says how far they went."""

    @classmethod
    def parse(cls, text: str, *, verifiers: Sequence[str]) -> Checkpoint:
        """Reads a checkpoint that one of the verifiers signed, without any vault.

        Raises `BackupInvalidError` when it is malformed, was altered, or nobody of them signed it;
        `InvalidArgumentError` for verifiers that are none, or none at all; `LimitExceededError`.
        """
        with translated():
            told = json.loads(_native.read_checkpoint(text, _listed(verifiers)))
        at = instant(told["at"])
        if at is None:
            raise of_code("BACKUP_INVALID", "the checkpoint is of a time that is none")
        return cls(told["vault_id"], at, told["streams"])


def verify_audit(actor: str | Actor, checkpoint: str | None, verifiers: Sequence[str] | None) -> Operation[AuditReport]:
    arguments = {"checkpoint": checkpoint, "verifiers": None if verifiers is None else _listed(verifiers)}
    return Operation("verify_audit", actor, arguments, lambda outcome: AuditReport(**outcome.told))


def checkpoint(actor: str | Actor, signing_key: SigningKey) -> Operation[str]:
    def text(outcome: Outcome) -> str:
        return str(outcome.told["checkpoint"])

    if not isinstance(signing_key, SigningKey):
        raise of_code("INVALID_ARGUMENT", "`signing_key` is a `SigningKey`, such as `SigningKey.from_env()`")
    return Operation("checkpoint", actor, {"signer": signing_key.name}, text, Given(signing_key._secret))


def export_audit(
    actor: str | Actor, export_format: ExportFormat, after: str | None, limit: int | None
) -> Operation[tuple[list[str], str | None]]:
    """A page, and where the next one begins; nothing when it was the last."""

    def page(outcome: Outcome) -> tuple[list[str], str | None]:
        return outcome.told["lines"], outcome.told["next"]

    return Operation("export_audit", actor, {"format": export_format, "after": after, "limit": limit}, page)


def _listed(verifiers: Sequence[str]) -> list[str]:
    if isinstance(verifiers, str):
        raise of_code("INVALID_ARGUMENT", "`verifiers` is a list, not one text")
    return list(verifiers)
