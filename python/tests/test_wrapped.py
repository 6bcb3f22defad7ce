"""Keyrings that are kept wrapped, by passphrases and by functions of the host's, and the life of their keys."""

from __future__ import annotations

import logging
import pickle
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from leakscan import Scanner, make_canary
from strongroom import KeyInfo, Keyring, OpenedKeyring, PassphraseCost, Secret, StrongroomError, Vault, WrappedKeyring
from strongroom.errors import (
    InvalidArgumentError,
    KeyInUseError,
    KeyInvalidError,
    KeyUnknownError,
    LimitExceededError,
    NameInvalidError,
    NotAuthenticError,
    StorageFailedError,
    UnsupportedError,
    ValueInvalidError,
)
from strongroom.stores import MemoryStore
from test_leaks import told_by

CHEAP = PassphraseCost(memory_kib=8192, passes=1)
PHRASE = "correct horse battery staple"
BY_PHRASE: dict[str, Callable[[], str | bytes | Secret]] = {
    "str": lambda: PHRASE,
    "bytes": PHRASE.encode,
    "Secret": lambda: Secret(PHRASE),
}


class Kms:
    """What a KMS of the host's might do. It keeps what it was given, to be looked at."""

    def __init__(self, mask: int = 0x5A) -> None:
        self._mask = mask
        self.seen: list[bytearray] = []
        self.asked: list[bytes] = []

    def wrap(self, data_key: bytearray) -> bytes:
        self.seen.append(data_key)
        assert len(data_key) == 32
        return bytes([self._mask]) + self._masked(data_key)

    def unwrap(self, wrapped: bytes) -> bytes:
        self.asked.append(wrapped)
        if wrapped[0] != self._mask:
            raise PermissionError("another key")
        return self._masked(wrapped[1:])

    def _masked(self, octets: bytes | bytearray) -> bytes:
        return bytes(octet ^ self._mask for octet in octets)


@pytest.fixture
def ring() -> Keyring:
    """Keys in every state, with labels."""
    ring = Keyring.generate(label="2025").add_enabled(label="2026").add_enabled(label="2027").add_enabled()
    old, _, new, last = (key.id for key in ring.keys)
    return ring.make_primary(new).advance(old, "disabled").advance(last, "disabled").advance(last, "destroyed")


def sealed(ring: Keyring) -> WrappedKeyring:
    return WrappedKeyring.seal(ring, "alice", passphrase=PHRASE, cost=CHEAP)


def told(keyring: Keyring) -> list[tuple[str | None, str]]:
    return [(key.label, key.state) for key in keyring.keys]


# Wraps.


@pytest.mark.parametrize("form", BY_PHRASE)
def test_a_passphrase_opens_the_keyring_with_all_that_is_told_of_its_keys(ring: Keyring, form: str) -> None:
    given = BY_PHRASE[form]()
    text = WrappedKeyring.seal(ring, "alice", passphrase=given, cost=CHEAP).to_text()
    assert text.startswith("srw1.")
    read = WrappedKeyring.parse(f" {text}\n")
    assert read.to_text() == text
    keyring = read.unwrap(passphrase=BY_PHRASE[form]())
    assert keyring.keys == ring.keys
    assert told(keyring) == [("2027", "primary"), ("2025", "disabled"), ("2026", "enabled"), (None, "destroyed")]
    assert keyring.decrypt(ring.encrypt("x")) == b"x"
    if isinstance(given, Secret):
        assert given.reveal() == PHRASE  # It is the caller's own, and stays.


def test_several_wraps_stand_side_by_side_and_each_opens_all(ring: Keyring) -> None:
    kms = Kms()
    with sealed(ring).open(passphrase=PHRASE) as opened:
        opened.add("kms", wrap=kms.wrap)
        opened.add("bob", passphrase="b\u00f6b's own", cost=PassphraseCost(8192, 2, 3))
    wrapped = opened.wrapped
    assert [(wrap.label, wrap.kind, wrap.cost) for wrap in wrapped.wraps] == [
        ("alice", "passphrase", PassphraseCost(8192, 1, 1)),
        ("kms", "host", None),
        ("bob", "passphrase", PassphraseCost(8192, 2, 3)),
    ]
    for keyring in (
        wrapped.unwrap(passphrase=PHRASE),
        wrapped.unwrap(passphrase="b\u00f6b's own".encode()),
        wrapped.unwrap(unwrap=kms.unwrap),
    ):
        assert keyring.keys == ring.keys
    assert repr(wrapped) == "WrappedKeyring(alice: passphrase, kms: host, bob: passphrase)"


def test_the_default_cost_is_that_of_rfc_9106(ring: Keyring) -> None:
    [wrap] = WrappedKeyring.seal(ring, "alice", passphrase=PHRASE).wraps
    assert wrap.cost == PassphraseCost(memory_kib=65536, passes=3, lanes=1)


def test_a_changed_keyring_is_sealed_again_and_every_wrap_stays_good(ring: Keyring) -> None:
    kms = Kms()
    first = WrappedKeyring.seal(ring, "kms", wrap=kms.wrap)
    with first.open(unwrap=kms.unwrap) as opened:
        opened.add("alice", passphrase=PHRASE, cost=CHEAP)
        changed = opened.keyring.add_enabled(label="2028")
        opened.reseal(changed)
        assert opened.keyring.keys == changed.keys
    for keyring in (opened.wrapped.unwrap(passphrase=PHRASE), opened.wrapped.unwrap(unwrap=kms.unwrap)):
        assert keyring.keys == changed.keys
    assert first.unwrap(unwrap=kms.unwrap).keys == ring.keys  # What was there is as it was.


def test_a_wrap_that_was_removed_opens_nothing_and_the_last_one_stays(ring: Keyring) -> None:
    with sealed(ring).open(passphrase=PHRASE) as opened:
        opened.add("bob", passphrase="bob's passphrase", cost=CHEAP)
        opened.remove("alice")
        with pytest.raises(InvalidArgumentError):
            opened.remove("alice")
        with pytest.raises(KeyInUseError):
            opened.remove("bob")
    with pytest.raises(NotAuthenticError, match="wrong passphrase"):
        opened.wrapped.unwrap(passphrase=PHRASE)
    assert opened.wrapped.unwrap(passphrase="bob's passphrase").keys == ring.keys


def test_once_closed_nothing_is_changed_any_more(ring: Keyring) -> None:
    with sealed(ring).open(passphrase=PHRASE) as opened:
        pass
    changes: list[Callable[[], None]] = [
        lambda: opened.add("bob", passphrase="bob's passphrase", cost=CHEAP),
        lambda: opened.add("kms", wrap=Kms().wrap),
        lambda: opened.remove("alice"),
        lambda: opened.reseal(ring),
    ]
    for change in changes:
        with pytest.raises(InvalidArgumentError, match="closed"):
            change()
    assert opened.keyring.keys == ring.keys
    assert opened.wrapped.unwrap(passphrase=PHRASE).keys == ring.keys


# Functions of the host's.


def test_the_data_key_is_wiped_when_wrap_has_returned_or_raised(ring: Keyring) -> None:
    kms = Kms()
    WrappedKeyring.seal(ring, "kms", wrap=kms.wrap)

    def fails(data_key: bytearray) -> bytes:
        kms.wrap(data_key)
        raise TimeoutError("no answer")

    with pytest.raises(StorageFailedError):
        WrappedKeyring.seal(ring, "kms", wrap=fails)
    assert kms.seen == [bytearray(32), bytearray(32)]


def test_a_bytearray_that_unwrap_gives_is_wiped_and_a_secret_is_left_alone(ring: Keyring) -> None:
    kms = Kms()
    wrapped = WrappedKeyring.seal(ring, "kms", wrap=kms.wrap)
    gave: list[bytearray] = []

    def mutable(opaque: bytes) -> bytearray:
        gave.append(bytearray(kms.unwrap(opaque)))
        return gave[-1]

    assert wrapped.unwrap(unwrap=mutable).keys == ring.keys
    assert gave == [bytearray(32)]
    with Secret(kms.unwrap(kms.asked[0])) as secret:
        assert wrapped.unwrap(unwrap=lambda _: secret).keys == ring.keys
        assert len(secret.reveal_bytes()) == 32


def test_of_several_host_wraps_the_one_that_opens_is_found(ring: Keyring) -> None:
    first, second, other = Kms(1), Kms(2), Kms(3)
    with WrappedKeyring.seal(ring, "first", wrap=first.wrap).open(unwrap=first.unwrap) as opened:
        opened.add("second", wrap=second.wrap)
    wrapped = opened.wrapped
    assert wrapped.unwrap(unwrap=second.unwrap).keys == ring.keys
    assert len(second.asked) == 2
    # One that gives some other key for what is not its own.
    answers = iter([b"\0" * 32, second.unwrap(second.asked[1])])
    assert wrapped.unwrap(unwrap=lambda _: next(answers)).keys == ring.keys
    with pytest.raises(StorageFailedError) as caught:
        wrapped.unwrap(unwrap=other.unwrap)
    assert len(other.asked) == 2
    assert isinstance(caught.value.__cause__, PermissionError)


def test_what_a_function_of_the_host_raises_is_the_cause(ring: Keyring) -> None:
    wrapped = WrappedKeyring.seal(ring, "kms", wrap=Kms().wrap)
    fault = ConnectionError("the KMS is away")

    def away(_: object) -> bytes:
        raise fault

    for call in (lambda: wrapped.unwrap(unwrap=away), lambda: WrappedKeyring.seal(ring, "kms", wrap=away)):
        with pytest.raises(StorageFailedError, match="look at the cause") as caught:
            call()
        assert caught.value.__cause__ is fault
        assert caught.value.retryable

    def interrupted(_: object) -> bytes:
        raise KeyboardInterrupt

    for interrupt in (
        lambda: wrapped.unwrap(unwrap=interrupted),
        lambda: WrappedKeyring.seal(ring, "kms", wrap=interrupted),
    ):
        with pytest.raises(KeyboardInterrupt):
            interrupt()


def test_what_a_function_of_the_host_gives_must_be_of_use(ring: Keyring) -> None:
    wrapped = WrappedKeyring.seal(ring, "kms", wrap=Kms().wrap)

    async def later(_: object) -> bytes:
        return b""

    wraps: list[tuple[Any, str]] = [
        (later, "INVALID_ARGUMENT"),
        (lambda _: "text", "INVALID_ARGUMENT"),
        (lambda _: None, "INVALID_ARGUMENT"),
        (lambda _: b"", "LIMIT_EXCEEDED"),
        (lambda _: bytes(8193), "LIMIT_EXCEEDED"),
        (lambda data_key: data_key, "INVALID_ARGUMENT"),
        (lambda data_key: b"prefix" + data_key, "INVALID_ARGUMENT"),
    ]
    for wrap, code in wraps:
        with pytest.raises(StrongroomError) as caught:
            WrappedKeyring.seal(ring, "kms", wrap=wrap)
        assert caught.value.code == code
    unwraps: list[tuple[Any, str]] = [
        (later, "INVALID_ARGUMENT"),
        (lambda _: "text", "INVALID_ARGUMENT"),
        (lambda _: b"", "NOT_AUTHENTIC"),
        (lambda _: bytes(32), "NOT_AUTHENTIC"),
        (lambda _: bytes(33), "NOT_AUTHENTIC"),
    ]
    for unwrap, code in unwraps:
        with pytest.raises(StrongroomError) as caught:
            wrapped.unwrap(unwrap=unwrap)
        assert caught.value.code == code


# What is refused.


@pytest.mark.parametrize("wrong", ["", PHRASE[:-1], f"{PHRASE} ", PHRASE.title(), b"\xff" * 9])
def test_a_wrong_passphrase_is_told_from_a_text_that_was_altered(ring: Keyring, wrong: str | bytes) -> None:
    wrapped = sealed(ring)
    with pytest.raises(NotAuthenticError, match="wrong passphrase"):
        wrapped.unwrap(passphrase=wrong)
    text = wrapped.to_text()
    for altered in ("", "srk1.", text[:-1], text[:100] + ("A" if text[100] != "A" else "B") + text[101:]):
        with pytest.raises(KeyInvalidError):
            WrappedKeyring.parse(altered)
    with pytest.raises(LimitExceededError):
        WrappedKeyring.parse("srw1." + "A" * 1024 * 1024)


@pytest.mark.parametrize("weak", ["", "hunter2", "x" * 1025, b"\xff" * 9])
def test_a_passphrase_that_is_too_short_too_long_or_no_text_is_refused(ring: Keyring, weak: str | bytes) -> None:
    with pytest.raises(ValueInvalidError):
        WrappedKeyring.seal(ring, "alice", passphrase=weak, cost=CHEAP)


def test_each_way_is_asked_for_what_it_can_do(ring: Keyring) -> None:
    by_host, by_phrase = WrappedKeyring.seal(ring, "kms", wrap=Kms().wrap), sealed(ring)
    with pytest.raises(UnsupportedError, match="open it by the host's unwrap"):
        by_host.unwrap(passphrase=PHRASE)
    with pytest.raises(UnsupportedError, match="open it by a passphrase"):
        by_phrase.unwrap(unwrap=Kms().unwrap)


def test_arguments_that_make_no_sense_are_refused(ring: Keyring) -> None:
    wrapped, kms, anything = sealed(ring), Kms(), WrappedKeyring.seal
    no_keyring: Any = "srk1.x"
    no_function: Any = "kms"
    no_cost: Any = {"memory_kib": 8192}
    for call in (
        lambda: anything(ring, "a"),
        lambda: anything(ring, "a", passphrase=PHRASE, wrap=kms.wrap),
        lambda: anything(ring, "a", wrap=kms.wrap, cost=CHEAP),
        lambda: anything(ring, "a", wrap=no_function),
        lambda: anything(ring, "a", passphrase=PHRASE, cost=no_cost),
        lambda: anything(ring, "a", passphrase=PHRASE, cost=PassphraseCost(passes=-1)),
        lambda: anything(no_keyring, "a", passphrase=PHRASE),
        lambda: wrapped.unwrap(),
        lambda: wrapped.unwrap(passphrase=PHRASE, unwrap=kms.unwrap),
        lambda: wrapped.open(unwrap=no_function),
    ):
        with pytest.raises(InvalidArgumentError):
            call()
    for cost in (PassphraseCost(8191), PassphraseCost(262145), PassphraseCost(passes=17), PassphraseCost(lanes=17)):
        with pytest.raises(LimitExceededError):
            anything(ring, "a", passphrase=PHRASE, cost=cost)
    for label in ("", "a\n", "x" * 129):
        with pytest.raises(NameInvalidError):
            anything(ring, label, passphrase=PHRASE, cost=CHEAP)
    with wrapped.open(passphrase=PHRASE) as opened, pytest.raises(InvalidArgumentError, match="label"):
        opened.add("alice", passphrase=PHRASE, cost=CHEAP)
    for cls in (WrappedKeyring, OpenedKeyring):
        with pytest.raises(TypeError):
            cls()


def test_33_wraps_are_too_many(ring: Keyring) -> None:
    with sealed(ring).open(passphrase=PHRASE) as opened:
        for number in range(31):
            opened.add(f"kms {number}", wrap=Kms(number + 1).wrap)
        with pytest.raises(LimitExceededError):
            opened.add("kms", wrap=Kms(77).wrap)
    assert len(opened.wrapped.wraps) == 32


# Threads, and what is shown.


def test_other_threads_run_while_a_passphrase_is_tried(ring: Keyring) -> None:
    wrapped = WrappedKeyring.seal(ring, "alice", passphrase=PHRASE)
    gaps, done = [0.0], threading.Event()

    def watch() -> None:
        last = time.monotonic()
        while not done.is_set():
            time.sleep(0.001)
            now = time.monotonic()
            gaps.append(now - last)
            last = now

    watching = threading.Thread(target=watch)
    watching.start()
    started = time.monotonic()
    with wrapped.open(passphrase=PHRASE) as opened:
        adding = threading.Thread(target=lambda: opened.add("bob", passphrase="bob's passphrase"))
        adding.start()
        while adding.is_alive():
            assert opened.keyring.keys == ring.keys  # It waits, and Python does not.
        adding.join()
    took = time.monotonic() - started
    done.set()
    watching.join()
    assert max(gaps) < took / 3, f"{max(gaps)} of {took} s"


def test_wraps_that_are_added_at_once_are_all_there(ring: Keyring) -> None:
    with sealed(ring).open(passphrase=PHRASE) as opened:

        def add(number: int) -> None:
            opened.add(f"of {number}", passphrase=f"the passphrase {number}", cost=CHEAP)

        threads = [threading.Thread(target=add, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {wrap.label for wrap in opened.wrapped.wraps} == {"alice", *(f"of {number}" for number in range(8))}
    assert opened.wrapped.unwrap(passphrase="the passphrase 7").keys == ring.keys


def test_neither_a_passphrase_nor_the_data_key_is_told(ring: Keyring, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    phrase, other = make_canary(), make_canary()
    data_keys: list[bytes] = []

    def wrap(data_key: bytearray) -> bytes:
        data_keys.append(bytes(data_key))
        return Kms().wrap(data_key)

    by_host = WrappedKeyring.seal(ring, "kms", wrap=wrap)
    wrapped = WrappedKeyring.seal(ring, "alice", passphrase=phrase, cost=CHEAP)
    opened = wrapped.open(passphrase=phrase)
    data_key = data_keys[0]
    # Its own frames have them: only those of the package count.
    spoiled: list[Callable[[], object]] = [
        lambda: wrapped.unwrap(passphrase=other),
        lambda: wrapped.unwrap(passphrase=Secret(other)),
        lambda: wrapped.unwrap(passphrase=phrase, unwrap=wrap),  # type: ignore[arg-type]
        lambda: wrapped.unwrap(passphrase="\udcff" + phrase),
        lambda: by_host.unwrap(passphrase=phrase),
        lambda: opened.add("alice", passphrase=phrase, cost=CHEAP),
        lambda: opened.add("bob", passphrase=phrase * 100, cost=CHEAP),
        lambda: opened.add("bob", passphrase=phrase, cost=PassphraseCost(1)),
        lambda: opened.add("\n", passphrase=phrase, cost=CHEAP),
        lambda: opened.add("alice", wrap=wrap),
        lambda: opened.add("kms", wrap=lambda key: key),
        lambda: opened.add("kms", wrap=lambda key: key.hex()),  # type: ignore[arg-type, return-value]
        lambda: WrappedKeyring.seal(ring, "", passphrase=phrase, cost=CHEAP),
        lambda: WrappedKeyring.seal("no keyring", "alice", passphrase=phrase),  # type: ignore[arg-type]
        lambda: by_host.unwrap(unwrap=lambda _: data_key.hex()),  # type: ignore[arg-type, return-value]
        lambda: by_host.unwrap(unwrap=lambda _: data_key[:31]),
        lambda: by_host.unwrap(unwrap=lambda _: bytearray(data_key[::-1])),
        lambda: wrapped.unwrap(unwrap=lambda _: data_key),
        lambda: WrappedKeyring.parse(phrase),
        lambda: Keyring.generate().add_enabled(phrase),
    ]
    shown = f"{wrapped!r} {wrapped} {wrapped.wraps} {opened!r} {opened} {opened.keyring!r}\n"
    for call in spoiled:
        with pytest.raises(StrongroomError) as caught:
            call()
        shown += told_by(caught.value)
    shown += caplog.text
    opened.close()
    assert len(data_keys) == 2
    needles: list[str | bytes] = [phrase, other, *data_keys, data_key[::-1], data_key.hex(), repr(data_key)]
    assert Scanner(*needles).find("told", shown) == []
    assert Scanner(phrase).find("told", shown + phrase) != []


def test_what_is_opened_is_not_pickled(ring: Keyring) -> None:
    with sealed(ring).open(passphrase=PHRASE) as opened, pytest.raises(TypeError):
        pickle.dumps(opened)


# The life of keys.


def test_a_change_of_keys_gives_a_new_keyring_and_leaves_the_old_one_as_it_was() -> None:
    first = Keyring.generate(label="2026")
    step_1 = first.add_enabled(label="2027")
    [old, new] = [key.id for key in step_1.keys]
    step_2 = step_1.make_primary(new)
    assert told(first) == [("2026", "primary")]
    assert told(step_1) == [("2026", "primary"), ("2027", "enabled")]
    assert told(step_2) == [("2027", "primary"), ("2026", "enabled")]
    before, after = first.encrypt("x"), step_2.encrypt("y")
    assert [step_1.decrypt(token) for token in (before, after)] == [b"x", b"y"]
    with pytest.raises(KeyUnknownError):
        first.decrypt(after)
    disabled = step_2.advance(old, "disabled")
    with pytest.raises(KeyUnknownError, match="disabled in this keyring"):
        disabled.decrypt(before)
    assert told(disabled.advance(old, "destroyed")) == [("2027", "primary"), ("2026", "destroyed")]
    assert told(step_2.relabel(old, None).relabel(new, "x")) == [("x", "primary"), (None, "enabled")]


def test_a_key_that_there_is_comes_in_by_its_text() -> None:
    other = Keyring.generate()
    ring = Keyring.generate().add_enabled(other.dangerous_export(), label="theirs")
    added = ring.keys[-1]
    assert added == KeyInfo(id=other.keys[0].id, label="theirs", created_at=None, state="enabled")
    assert ring.decrypt(other.encrypt("x")) == b"x"


def test_steps_that_no_key_may_take_are_refused() -> None:
    ring = Keyring.generate().add_enabled(label="new")
    [old, new] = [key.id for key in ring.keys]
    disabled = ring.advance(new, "disabled")
    wrong: Any = "gone"
    back: Any = "enabled"
    steps: list[tuple[Callable[[], Keyring], type[StrongroomError]]] = [
        (lambda: ring.advance(old, "disabled"), KeyInUseError),
        (lambda: ring.advance(new, "destroyed"), InvalidArgumentError),
        (lambda: disabled.advance(new, back), InvalidArgumentError),
        (lambda: disabled.make_primary(new), InvalidArgumentError),
        (lambda: ring.advance(new, wrong), InvalidArgumentError),
        (lambda: ring.make_primary(new[:8]), InvalidArgumentError),
        (lambda: ring.make_primary("0" * 64), KeyUnknownError),
        (lambda: ring.relabel("0" * 64, None), KeyUnknownError),
        (lambda: ring.relabel(new, "\n"), NameInvalidError),
        (lambda: ring.add_enabled(label=""), NameInvalidError),
        (lambda: ring.add_enabled(ring.dangerous_export()), KeyInvalidError),
        (lambda: ring.add_enabled(Keyring.generate().add_enabled().dangerous_export()), KeyInvalidError),
        (lambda: Keyring.generate(label="x" * 129), NameInvalidError),
    ]
    for call, error in steps:
        with pytest.raises(error):
            call()


def test_a_vault_keeps_the_keyring_that_it_was_opened_with() -> None:
    keyring, store = Keyring.generate(), MemoryStore()
    vault = Vault(keyring, store)
    vault.set("A", "x", actor="alice")
    step_1 = keyring.add_enabled(label="new")
    step_1.make_primary(step_1.keys[-1].id)
    vault.set("A", "y", actor="alice")
    assert Vault(step_1, store).get("A", actor="alice").reveal() == "y"
