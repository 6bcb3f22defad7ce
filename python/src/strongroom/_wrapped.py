"""Keyrings that can be kept: sealed, and opened by passphrases or by what the host has to wrap a key with."""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from strongroom import _native
from strongroom._call import Given
from strongroom._driver import discard
from strongroom._error import StrongroomError, of_code, translated
from strongroom._keyring import Keyring
from strongroom._secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    HostWrap = Callable[[bytearray], bytes | bytearray]
    HostUnwrap = Callable[[bytes], bytes | bytearray | Secret]


@dataclass(frozen=True)
class PassphraseCost:
    """What argon2id has to spend on each try of a passphrase.

    The default takes 64 MiB and some tenths of a second.
    """

    memory_kib: int = 65536
    """8192 to 262144 KiB (8 to 256 MiB)."""
    passes: int = 3
    """How often the memory is passed over: 1 to 16."""
    lanes: int = 1
    """1 to 16. They are computed one after another: more of them help nobody but an attacker."""


@dataclass(frozen=True)
class Wrap:
    """One way to open a wrapped keyring, as far as may be told."""

    label: str
    """What people call it, unique among the wraps of a keyring."""
    kind: Literal["passphrase", "host"]
    cost: PassphraseCost | None
    """What its passphrase costs to try; `None` for the host's."""


class WrappedKeyring:
    """A keyring that only its wraps open, with all that is told of its keys. `to_text()` is to be kept.

    A wrap is a passphrase, or what the host's `wrap` made of the data key: 32 random bytes that the keyring is sealed
    under. Each opens all of it; up to 32 stand side by side. It never changes: `open` it, and make another of it.

    >>> keyring = Keyring.generate()
    >>> wrapped = WrappedKeyring.seal(keyring, "alice", passphrase="correct horse battery staple")
    >>> text = wrapped.to_text()
    >>> WrappedKeyring.parse(text).unwrap(passphrase="correct horse battery staple").keys == keyring.keys
    True
    """

    __slots__ = ("_handle",)

    _handle: _native.WrappedKeyring

    def __init__(self) -> None:
        raise TypeError("use WrappedKeyring.seal(keyring, label, ...) or WrappedKeyring.parse(text)")

    @classmethod
    def _of(cls, handle: _native.WrappedKeyring) -> WrappedKeyring:
        wrapped = cls.__new__(cls)
        wrapped._handle = handle
        return wrapped

    @classmethod
    def seal(
        cls,
        keyring: Keyring,
        label: str,
        *,
        passphrase: str | bytes | Secret | None = None,
        cost: PassphraseCost | None = None,
        wrap: HostWrap | None = None,
    ) -> WrappedKeyring:
        """Wraps a keyring, in one of two ways; further ones are added when it is opened.

        `passphrase`: text of at least 8 characters and at most 1024 bytes, every one of which counts, at `cost`.
        `wrap`: a function that gives what your KMS, Transit or keychain makes of the data key, 1 to 8192 bytes. It is
        called once, with a `bytearray` that is wiped when it returns; what copies are made of that are out of reach.
        `label`: 1 to 128 bytes without control characters.

        Raises `ValueInvalidError` for the passphrase; `NameInvalidError` for the label; `StorageFailedError` when
        `wrap` raises, with its exception as the cause; `LimitExceededError`, `InvalidArgumentError`.
        """
        given = Given.maybe(passphrase)
        del passphrase
        with translated():
            opened = OpenedKeyring._of(_native.seal_keyring(_handle_of(keyring)))
        with opened:
            opened._add(label, given, cost, wrap)
            return opened.wrapped

    @classmethod
    def parse(cls, text: str) -> WrappedKeyring:
        """A wrapped keyring from its text, `srw1....`; white space around it does not count. Nothing is opened yet.

        Raises `KeyInvalidError` for a text that is none, or was altered or cut; `LimitExceededError` for one with a
        passphrase that would cost too much to try.
        """
        try:
            with translated():
                return cls._of(_native.parse_wrapped_keyring(text))
        finally:
            del text  # It may be what opens one, pasted by mistake.

    def to_text(self) -> str:
        """The text to keep, one line of ASCII. Without a passphrase or the host, nobody learns a key from it."""
        with translated():
            return self._handle.to_text()

    @property
    def wraps(self) -> list[Wrap]:
        """What opens it, in the order in which it was added."""
        told = json.loads(self._handle.wraps())
        return [
            Wrap(wrap["label"], wrap["kind"], None if wrap["cost"] is None else PassphraseCost(**wrap["cost"]))
            for wrap in told
        ]

    def unwrap(self, *, passphrase: str | bytes | Secret | None = None, unwrap: HostUnwrap | None = None) -> Keyring:
        """The keyring, by a passphrase or by the host; nothing else is kept.

        A passphrase is tried with every wrap that has one, each at its own cost, while other threads of Python run.
        `unwrap`: the reverse of the `wrap` that was used; it is called with what that gave, for one wrap of the host's
        after another until one opens the keyring, and gives the data key. A `bytearray` that it gives is wiped.

        Raises `NotAuthenticError` for a wrong passphrase or data key; `StorageFailedError` when `unwrap` raises, with
        its exception as the cause; `UnsupportedError` when no wrap is of that kind; `LimitExceededError` without the
        memory; `InvalidArgumentError`.
        """
        given = Given.maybe(passphrase)
        del passphrase
        with self._open(given, unwrap) as opened:
            return opened.keyring

    def open(
        self, *, passphrase: str | bytes | Secret | None = None, unwrap: HostUnwrap | None = None
    ) -> OpenedKeyring:
        """Opens it to be changed: as `unwrap`, and the data key stays until it is closed."""
        given = Given.maybe(passphrase)
        del passphrase
        return self._open(given, unwrap)

    def _open(self, given: Given | None, unwrap: HostUnwrap | None) -> OpenedKeyring:
        _one_of_two(given, unwrap, "unwrap")
        if given is None:
            return self._open_by_host(unwrap)
        with translated(), given.handed_over() as passphrase:
            return OpenedKeyring._of(self._handle.open_with_passphrase(passphrase))

    def _open_by_host(self, unwrap: Any) -> OpenedKeyring:
        message = "no wrap of this keyring is the host's: open it by a passphrase"
        refusal = of_code("UNSUPPORTED", message)
        cause: Exception | None = None
        index = 0
        while (opaque := self._handle.host_wrap(index)) is not None:
            index += 1
            try:
                gave = unwrap(opaque)
            except Exception as error:  # It may be meant for another of the wraps.
                cause = cause or error
                continue
            try:
                given = _out_of_the_heap(gave)
            finally:
                del gave  # A traceback that shows locals must not show it.
            try:
                with translated(), given.handed_over() as data_key:
                    return OpenedKeyring._of(self._handle.open_with_data_key(data_key))
            except StrongroomError as error:
                refusal = error
        if cause is not None:
            message = "the host's unwrap failed, and the keyring was not opened: look at the cause, then try again"
            raise of_code("STORAGE_FAILED", message) from cause
        raise refusal

    def __repr__(self) -> str:
        return f"WrappedKeyring({_shown(self)})"


class OpenedKeyring:
    """A wrapped keyring, opened to be changed: it has the data key, until it is closed or its `with` block ends.

    What it made, `wrapped` and `keyring`, stays afterwards. Every wrap stays good for a keyring that is sealed again:
    so a wrap, once known, opens what is sealed later, and removing one keeps out who has not kept a copy of it.

    >>> keyring = Keyring.generate()
    >>> wrapped = WrappedKeyring.seal(keyring, "alice", passphrase="correct horse battery staple")
    >>> with wrapped.open(passphrase="correct horse battery staple") as opened:
    ...     opened.add("bob", passphrase="another one of his own")
    ...     opened.reseal(opened.keyring.add_enabled(label="2027"))
    >>> opened.wrapped
    WrappedKeyring(alice: passphrase, bob: passphrase)
    """

    __slots__ = ("_handle",)

    _handle: _native.OpenedKeyring

    def __init__(self) -> None:
        raise TypeError("use WrappedKeyring.open(...)")

    @classmethod
    def _of(cls, handle: _native.OpenedKeyring) -> OpenedKeyring:
        opened = cls.__new__(cls)
        opened._handle = handle
        return opened

    @property
    def keyring(self) -> Keyring:
        """The keyring, as it was sealed last."""
        return Keyring._of(self._handle.keyring())

    @property
    def wrapped(self) -> WrappedKeyring:
        """As it is now, to keep."""
        with translated():
            return WrappedKeyring._of(self._handle.wrapped())

    def add(
        self,
        label: str,
        *,
        passphrase: str | bytes | Secret | None = None,
        cost: PassphraseCost | None = None,
        wrap: HostWrap | None = None,
    ) -> None:
        """Adds a wrap: takes and raises what `WrappedKeyring.seal` does; a label must be new."""
        given = Given.maybe(passphrase)
        del passphrase
        self._add(label, given, cost, wrap)

    def _add(self, label: str, given: Given | None, cost: PassphraseCost | None, wrap: HostWrap | None) -> None:
        _one_of_two(given, wrap, "wrap")
        if given is None:
            if cost is not None:
                raise of_code("INVALID_ARGUMENT", "a cost is that of a passphrase: leave it out with `wrap`")
            self._add_host(label, wrap)
            return
        if not (cost is None or isinstance(cost, PassphraseCost)):
            raise of_code("INVALID_ARGUMENT", "the cost is a `PassphraseCost`")
        told = "{}" if cost is None else json.dumps(asdict(cost))
        with translated(), given.handed_over() as passphrase:
            self._handle.add_passphrase(label, passphrase, told)

    def _add_host(self, label: str, wrap: Any) -> None:
        with translated():
            data_key = self._handle.data_key()
        try:
            gave = wrap(data_key)
        except Exception as error:
            message = "the host's wrap failed, and nothing was wrapped: look at the cause, then try again"
            raise of_code("STORAGE_FAILED", message) from error
        else:
            try:
                with translated():
                    self._handle.add_host(label, bytes(_checked(gave, "wrap", (bytes, bytearray))))
            finally:
                del gave  # It may be the data key itself, which is refused.
        finally:
            data_key[:] = bytes(len(data_key))

    def remove(self, label: str) -> None:
        """Removes a wrap. Raises `InvalidArgumentError` when none has that label; `KeyInUseError` for the last one."""
        with translated():
            self._handle.remove(label)

    def reseal(self, keyring: Keyring) -> None:
        """Seals a changed keyring in place of the one that is there."""
        with translated():
            self._handle.reseal(_handle_of(keyring))

    def close(self) -> None:
        """Wipes the data key: nothing can be changed any more. Also at the end of a `with` block."""
        self._handle.close()

    def __enter__(self) -> OpenedKeyring:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        try:
            return f"OpenedKeyring({_shown(self.wrapped)})"
        except StrongroomError:  # In its making, when a traceback may show it.
            return "OpenedKeyring()"


def _shown(wrapped: WrappedKeyring) -> str:
    return ", ".join(f"{wrap.label}: {wrap.kind}" for wrap in wrapped.wraps)


def _handle_of(keyring: Keyring) -> _native.Keyring:
    if not isinstance(keyring, Keyring):
        raise of_code("INVALID_ARGUMENT", "the keyring is no `strongroom.Keyring`")
    return keyring._handle


def _one_of_two(given: Given | None, function: object, name: str) -> None:
    if (given is None) == (function is None):
        raise of_code("INVALID_ARGUMENT", f"give a passphrase or the function `{name}`, one of the two")
    if given is None and not callable(function):
        raise of_code("INVALID_ARGUMENT", f"`{name}` is a function")


def _checked(gave: Any, name: str, kinds: tuple[type, ...]) -> Any:
    """What a function of the host's gave, if it can be used. Never shown: it may be the data key."""
    try:
        if inspect.isawaitable(gave):
            discard(gave)
            raise of_code("INVALID_ARGUMENT", f"`{name}` is asynchronous: give a function that answers at once")
        if not isinstance(gave, kinds):
            raise of_code("INVALID_ARGUMENT", f"`{name}` gave `{type(gave).__name__}`, and must give `bytes`")
        return gave
    finally:
        del gave


def _out_of_the_heap(gave: Any) -> Given:
    """The data key that the host's `unwrap` gave; wiped where it was, if that can be."""
    try:
        return Given(_checked(gave, "unwrap", (bytes, bytearray, Secret)))
    finally:
        if isinstance(gave, bytearray):
            gave[:] = bytes(len(gave))
        del gave
