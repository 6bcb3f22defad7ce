"""Fernet as `cryptography.fernet` has it: the same tokens, rules, exceptions and texts, behind the same names.

>>> from strongroom.fernet import Fernet
>>> key = Fernet.generate_key()
>>> token = Fernet(key).encrypt(b"hunter2")
>>> Fernet(key).decrypt(token)
b'hunter2'

Fernet is here for what is there already. It binds a value to no place; for new values prefer `strongroom.Keyring`,
which reads these tokens too. Format: the Fernet specification (https://github.com/fernet/spec).

What differs: a Fernet is not pickled and does not show its key, as `_signing_key` or otherwise; the type of a raised
`InvalidToken` is a subclass of the other module's; a time that is no `int` must become 8 bytes by its `to_bytes`.
"""

from __future__ import annotations

import base64
import binascii
import os
import sys
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from strongroom import _native

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Fernet", "InvalidToken", "MultiFernet"]

_MAX_CLOCK_SKEW = 60


class InvalidToken(Exception):  # noqa: N818  # the name that programs catch
    """The token is malformed, too old, from the future, altered, or of another key; which of these is not said.

    Where a program has `cryptography.fernet` loaded too, what is raised is that module's `InvalidToken` as well.
    """

    def __reduce__(self) -> Any:
        # The class of both modules is made anew where it arrives; subclasses of others are their own.
        made_here = type(self).__module__ == __name__
        return (_invalid_token, self.args, vars(self) or None) if made_here else super().__reduce__()


def _invalid_token(*args: object) -> InvalidToken:
    theirs = _their_invalid_token()
    return InvalidToken(*args) if theirs is None else _both(theirs)(*args)  # type: ignore[arg-type]  # classes are hashable


def _their_invalid_token() -> type[Exception] | None:
    """Looked for, never imported: where the module is not loaded, nothing can be waiting for its exception."""
    return getattr(sys.modules.get("cryptography.fernet"), "InvalidToken", None)


@lru_cache
def _both(theirs: type[Exception]) -> type[InvalidToken]:
    if issubclass(InvalidToken, theirs):
        return InvalidToken
    return type("InvalidToken", (InvalidToken, theirs), {"__module__": __name__, "__doc__": InvalidToken.__doc__})


def _invalid_token_types() -> tuple[type[Exception], ...]:
    theirs = _their_invalid_token()
    return (InvalidToken,) if theirs is None else (InvalidToken, theirs)


class Fernet:
    """Encrypts under one key. Can be copied; is not pickled, since that would write the key."""

    def __init__(self, key: bytes | str, backend: Any = None) -> None:
        """From 32 bytes in URL-safe base64. Raises `ValueError` for other text; `backend` is not looked at."""
        message = "Fernet key must be 32 url-safe base64-encoded bytes."
        try:
            raw = base64.urlsafe_b64decode(key)
            if len(raw) != 32:
                raise ValueError(message)
            self._key = _native.FernetKey(raw)
        except binascii.Error as error:
            raise ValueError(message) from error.with_traceback(None)
        except (AttributeError, TypeError, ValueError) as error:
            error.__context__ = None
            raise error.with_traceback(None) from None
        finally:
            # A traceback that shows locals must not show the key, and so neither the frames of `base64`.
            key = raw = b""

    @classmethod
    def generate_key(cls) -> bytes:
        """A fresh key: 44 characters of URL-safe base64. Whoever has it reads and forges every token of it."""
        return base64.urlsafe_b64encode(os.urandom(32))

    def encrypt(self, data: bytes) -> bytes:
        """A token of the data, with the present time in the clear. Raises `TypeError` for what is not `bytes`."""
        try:
            return self._key.encrypt(data, int(time.time()))
        finally:
            del data  # A traceback that shows locals must not show it.

    def encrypt_at_time(self, data: bytes, current_time: int) -> bytes:
        """The same with a time of the caller's, in seconds since the epoch."""
        try:
            return self._key.encrypt(data, current_time)
        finally:
            del data

    def decrypt(self, token: bytes | str, ttl: int | None = None) -> bytes:
        """The data of a token that is at most `ttl` seconds old, or of any age.

        Raises `InvalidToken`; `TypeError` for what is neither `bytes` nor `str`.
        """
        if ttl is None:
            data = self._key.decrypt(token)
            if data is None:
                raise _invalid_token()
            return data
        return self.decrypt_at_time(token, ttl, int(time.time()))

    def decrypt_at_time(self, token: bytes | str, ttl: int, current_time: int) -> bytes:
        """The same with a time of the caller's, in seconds since the epoch. Raises `ValueError` without a `ttl`."""
        _check_ttl(ttl)
        timestamp, data = Fernet._get_unverified_token_data(token)
        return self._decrypt_data(data, timestamp, (ttl, current_time))

    def extract_timestamp(self, token: bytes | str) -> int:
        """When a token was made, in seconds since the epoch, its signature verified. Raises `InvalidToken`."""
        timestamp, data = Fernet._get_unverified_token_data(token)
        self._verify_signature(data)
        return timestamp

    # What follows are the private parts that `cryptography`'s own MultiFernet calls.

    def _encrypt_from_parts(self, data: bytes, current_time: int, iv: bytes) -> bytes:
        try:
            return self._key.encrypt_from_parts(data, current_time, iv)
        finally:
            del data

    @staticmethod
    def _get_unverified_token_data(token: bytes | str) -> tuple[int, bytes]:
        data = _native.fernet_decode(token)
        if data is None:
            raise _invalid_token()
        return int.from_bytes(data[1:9], byteorder="big"), data

    def _verify_signature(self, data: bytes) -> None:
        if not self._key.has_signed(data):
            raise _invalid_token()

    def _decrypt_data(self, data: bytes, timestamp: int, time_info: tuple[int, int] | None) -> bytes:
        if time_info is not None:
            ttl, current_time = time_info
            if timestamp + ttl < current_time or current_time + _MAX_CLOCK_SKEW < timestamp:
                raise _invalid_token()
        plaintext = self._key.decrypt_data(data)
        if plaintext is None:
            raise _invalid_token()
        return plaintext


class MultiFernet:
    """Encrypts under the first of several keys, and decrypts under any. Takes the Fernets of `cryptography` too.

    >>> old, new = Fernet(Fernet.generate_key()), Fernet(Fernet.generate_key())
    >>> token = old.encrypt(b"hunter2")
    >>> rotated = MultiFernet([new, old]).rotate(token)
    >>> new.decrypt(rotated), new.extract_timestamp(rotated) == old.extract_timestamp(token)
    (b'hunter2', True)
    """

    def __init__(self, fernets: Iterable[Fernet]) -> None:
        """From Fernets, the one that encrypts first. Raises `ValueError` for none."""
        fernets = list(fernets)
        if not fernets:
            raise ValueError("MultiFernet requires at least one Fernet instance")
        self._fernets = fernets
        # All at once in the native part, unless somebody else's class has a say.
        ours = all(type(fernet) is Fernet for fernet in fernets)
        self._keys = _native.FernetKeys([fernet._key for fernet in fernets]) if ours else None

    def encrypt(self, msg: bytes) -> bytes:
        """A token under the first key. Raises `TypeError` for what is not `bytes`."""
        try:
            return self.encrypt_at_time(msg, int(time.time()))
        finally:
            del msg  # A traceback that shows locals must not show it.

    def encrypt_at_time(self, msg: bytes, current_time: int) -> bytes:
        """The same with a time of the caller's, in seconds since the epoch."""
        try:
            return self._fernets[0].encrypt_at_time(msg, current_time)
        finally:
            del msg

    def rotate(self, msg: bytes | str) -> bytes:
        """The token again, under the first key; its time stays. Raises `InvalidToken`."""
        timestamp, data = Fernet._get_unverified_token_data(msg)
        plaintext = self._decrypt_data(data, timestamp, None)
        try:
            return self._fernets[0]._encrypt_from_parts(plaintext, timestamp, os.urandom(16))
        finally:
            del plaintext

    def decrypt(self, msg: bytes | str, ttl: int | None = None) -> bytes:
        """The data of a token that is at most `ttl` seconds old, or of any age. Raises `InvalidToken`."""
        if ttl is not None:
            return self.decrypt_at_time(msg, ttl, int(time.time()))
        if self._keys is None:
            timestamp, data = Fernet._get_unverified_token_data(msg)
            return self._decrypt_data(data, timestamp, None)
        plaintext = self._keys.decrypt(msg)
        if plaintext is None:
            raise _invalid_token()
        return plaintext

    def decrypt_at_time(self, msg: bytes | str, ttl: int, current_time: int) -> bytes:
        """The same with a time of the caller's, in seconds since the epoch. Raises `ValueError` without a `ttl`."""
        _check_ttl(ttl)
        timestamp, data = Fernet._get_unverified_token_data(msg)
        return self._decrypt_data(data, timestamp, (ttl, current_time))

    def extract_timestamp(self, msg: bytes | str) -> int:
        """When a token was made, in seconds since the epoch, its signature verified. Raises `InvalidToken`."""
        timestamp, data = Fernet._get_unverified_token_data(msg)
        for fernet in self._fernets:
            try:
                fernet._verify_signature(data)
            except _invalid_token_types():
                continue
            return timestamp
        raise _invalid_token()

    def _decrypt_data(self, data: bytes, timestamp: int, time_info: tuple[int, int] | None) -> bytes:
        for fernet in self._fernets:
            try:
                return fernet._decrypt_data(data, timestamp, time_info)
            except _invalid_token_types():
                continue
        raise _invalid_token()


def _check_ttl(ttl: int | None) -> None:
    if ttl is None:
        raise ValueError("decrypt_at_time() can only be used with a non-None ttl")
