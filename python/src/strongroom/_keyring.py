"""Keys, and the encryption of an application's own data."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from strongroom import _native
from strongroom._error import of_code, of_native, translated
from strongroom._time import instant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from strongroom._secret import Format


@dataclass(frozen=True)
class KeyInfo:
    """What may be told of a key."""

    id: str
    """64 hex digits; people are shown the first 8."""
    label: str | None
    created_at: datetime | None
    """When it was made, UTC, where that is known: key text does not say."""
    state: Literal["primary", "enabled", "disabled", "destroyed"]


class Keyring:
    """Keys in order: the primary, which is the first one, writes; it and the enabled ones read.

    A keyring never changes: what changes one gives another.

    >>> keyring = Keyring.generate()
    >>> token = keyring.encrypt(b"hunter2", associated_data=b"user:42")
    >>> keyring.decrypt(token, associated_data=b"user:42")
    b'hunter2'
    """

    __slots__ = ("_handle",)

    _handle: _native.Keyring

    def __init__(self) -> None:
        raise TypeError("use Keyring.from_env(), Keyring.parse(text) or Keyring.generate()")

    @classmethod
    def _of(cls, handle: _native.Keyring) -> Keyring:
        keyring = cls.__new__(cls)
        keyring._handle = handle
        return keyring

    @classmethod
    def generate(cls, *, label: str | None = None) -> Keyring:
        """A keyring of one fresh key. Keep it, wrapped or by `dangerous_export()`, or what it encrypts is lost.

        See `WrappedKeyring`. `label`: what people call the key, 1 to 128 bytes without control characters.
        Raises `NameInvalidError`.
        """
        with translated():
            return cls._of(_native.generate_keyring(label, time.time() * 1000))

    @classmethod
    def parse(cls, text: str) -> Keyring:
        """A keyring from text: one key, or several separated by commas or newlines, the first of them primary.

        A key is `srk1.` text, base64 or base64url of 32 bytes, or 64 hex digits. Raises `NotConfiguredError`,
        `KeyInvalidError`, `InvalidArgumentError` for what is no Unicode.
        """
        try:
            with translated():
                return cls._of(_native.parse_keyring(text))
        finally:
            del text  # A traceback that shows locals must not show it.

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Keyring:
        """The keyring of this process: `ENCRYPTION_KEY`, or the file that `ENCRYPTION_KEY_FILE` names.

        Both set is an error, and a key is never generated. Raises `NotConfiguredError`, `KeyInvalidError`,
        `InvalidArgumentError`.
        """
        environ = os.environ if environ is None else environ
        key, file = environ.get("ENCRYPTION_KEY"), environ.get("ENCRYPTION_KEY_FILE")
        try:
            with translated():
                return cls._of(_native.keyring_from_environment_values(key, file))
        finally:
            del environ, key  # A traceback that shows locals must not show them.

    def encrypt(
        self,
        plaintext: str | bytes,
        *,
        format: Format = "sealed",  # noqa: A002  # the field's own word
        associated_data: str | bytes | None = None,
    ) -> str:
        """Encrypts, under the primary key.

        `format`: those other than `sealed` are for programs that do not use strongroom yet. Raises
        `InvalidArgumentError` when associated data is given for a format that knows none.
        """
        try:
            # Sealed values carry no time, and to look at the clock would cost a tenth of the call.
            now = 0.0 if format == "sealed" else time.time() * 1000
            return self._handle.encrypt(plaintext, format, associated_data, now)
        except _native.NativeError as error:
            raise of_native(error) from None
        finally:
            del plaintext  # A traceback that shows locals must not show it.

    def decrypt(
        self, token: str, *, associated_data: str | bytes | None = None, formats: Sequence[Format] | None = None
    ) -> bytes:
        """Decrypts a token, whichever of the three formats it is in.

        The formats other than `sealed` know no associated data, and it is not looked at for them. `formats`: those that
        are accepted, all three when `None`; `["sealed"]` where no old values are left, since a value in an older format
        could be moved to another place. Raises `NotAuthenticError`, `KeyUnknownError`, and `TokenMalformedError`, also
        for a format that is not accepted.

        >>> keyring = Keyring.generate()
        >>> keyring.decrypt(keyring.encrypt(b"hunter2", format="fernet"), formats=["sealed", "fernet"])
        b'hunter2'
        """
        try:
            return self._handle.decrypt(token, associated_data, None if formats is None else _listed(formats))
        except _native.NativeError as error:
            raise of_native(error) from None

    def inspect_token(self, token: str, *, associated_data: str | bytes | None = None) -> tuple[Format, str]:
        """The format of a token and the id of the key that opens it. Opens it to find out; raises as `decrypt` does."""
        with translated():
            return cast("tuple[Format, str]", self._handle.inspect(token, associated_data))

    @property
    def keys(self) -> list[KeyInfo]:
        """What may be told of every key, in ring order."""
        told = json.loads(self._handle.keys())
        return [KeyInfo(**{**key, "created_at": instant(key["created_at"])}) for key in told]

    def add_enabled(self, key: str | None = None, *, label: str | None = None) -> Keyring:
        """A keyring with one key more, which reads and does not write yet: the first step of a roll-out.

        The key stands last. `key`: its text, one key as in `parse`; a fresh one is made when `None`. `label`: what
        people call it, 1 to 128 bytes without control characters.
        Raises `KeyInvalidError`, also for a key that is there already; `NameInvalidError`; `LimitExceededError` beyond
        1000 keys.

        >>> keyring = Keyring.generate(label="2026")
        >>> step_1 = keyring.add_enabled(label="2027")
        >>> step_2 = step_1.make_primary(step_1.keys[-1].id)
        >>> [[(key.label, key.state) for key in step.keys] for step in (step_1, step_2)]
        [[('2026', 'primary'), ('2027', 'enabled')], [('2027', 'primary'), ('2026', 'enabled')]]
        """
        try:
            with translated():
                return self._of(self._handle.add_enabled(key, label, time.time() * 1000))
        finally:
            del key  # A traceback that shows locals must not show it.

    def make_primary(self, key_id: str) -> Keyring:
        """A keyring in which that key, which was enabled, is the primary and stands first; the old primary is enabled.

        A vault follows by `rekey`. Raises `KeyUnknownError`; `InvalidArgumentError` for a disabled or destroyed key,
        and for what is no key id.
        """
        with translated():
            return self._of(self._handle.make_primary(key_id))

    def advance(self, key_id: str, to: Literal["disabled", "destroyed"]) -> Keyring:
        """A keyring in which a key is one step further: from enabled to disabled, or from there to destroyed.

        A disabled key opens nothing; a destroyed one is gone but for its id, and this can't be taken back. No vault is
        asked: see `Vault.retire`, which refuses while anything needs the key. Raises `KeyUnknownError`; `KeyInUseError`
        for the primary; `InvalidArgumentError` for any other step.
        """
        with translated():
            return self._of(self._handle.advance(key_id, to))

    def relabel(self, key_id: str, label: str | None) -> Keyring:
        """A keyring in which a key is called otherwise, or nothing. Raises `KeyUnknownError`, `NameInvalidError`."""
        with translated():
            return self._of(self._handle.relabel(key_id, label))

    def dangerous_export(self) -> str:
        """Every key that reads, as `srk1.` text, the primary first: what opens everything.

        Write it where keys are kept, only. `WrappedKeyring` keeps it under a passphrase or under a key of the host's.
        """
        with translated():
            return self._handle.dangerous_export()

    def __repr__(self) -> str:
        return f"Keyring({', '.join(key.id[:8] for key in self.keys)})"


def _listed(formats: Sequence[Format]) -> list[str]:
    if isinstance(formats, str):
        raise of_code("INVALID_ARGUMENT", "`formats` is a list, not one text")
    return list(formats)
