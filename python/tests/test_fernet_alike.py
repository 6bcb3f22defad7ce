"""Keys, times and plaintexts of every sort: `strongroom.fernet` takes or refuses them as `cryptography.fernet` does."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from fernet.sides import KEYS, NOW, OURS, THEIRS, Bytes, Side, agree, both

GOOD = base64.urlsafe_b64encode(KEYS[0])
TAKEN: dict[str, Any] = {
    "bytes": GOOD,
    "str": GOOD.decode(),
    "bytearray": bytearray(GOOD),
    "memoryview": memoryview(GOOD),
    "bytes of a subclass": Bytes(GOOD),
    "with a newline": GOOD + b"\n",
    "with whitespace": b"  " + GOOD[:20] + b"\r\n\t" + GOOD[20:] + b"\n",
    "the other alphabet": base64.b64encode(b"\xfb\xff" * 16),
    "both alphabets": b"+_" + GOOD[2:],
    "not canonical": GOOD[:-2] + b"9=",
    "doubled padding": GOOD + b"=",
    "NUL": GOOD + b"\0",
}
REFUSED: dict[str, Any] = {
    "no padding": GOOD.rstrip(b"="),
    "no padding, str": GOOD.decode().rstrip("="),
    "one character less": GOOD[1:],
    "31 bytes": base64.urlsafe_b64encode(KEYS[0][:31]),
    "33 bytes": base64.urlsafe_b64encode(KEYS[0] + b"x"),
    "16 bytes": base64.urlsafe_b64encode(KEYS[0][:16]),
    "raw": KEYS[0],
    "hex": KEYS[0].hex(),
    "nothing": b"",
    "no text": "",
    "not ASCII": GOOD.decode()[:-1] + "é",
    "not ASCII, bytes": GOOD[:-1] + b"\xe9",
    "a lone surrogate": GOOD.decode() + "\udc80",
    "None": None,
    "an int": 5,
    "a float": 0.5,
    "a list": [GOOD],
    "a class": bytes,
}


@pytest.mark.parametrize("which", TAKEN)
def test_a_key_is_taken_alike(which: str) -> None:
    mine, other = both(lambda side: side.module.Fernet(TAKEN[which]))
    assert mine.decrypt(other.encrypt(b"x")) == other.decrypt(mine.encrypt(b"x")) == b"x"


@pytest.mark.parametrize("which", REFUSED)
def test_a_key_is_refused_alike(which: str) -> None:
    mine, other = both(lambda side: side.module.Fernet(REFUSED[which]))
    assert isinstance(other, Exception)
    assert agree(mine, other), (mine, other)


@pytest.mark.parametrize("backend", [None, object(), "openssl"])
def test_a_backend_is_taken_and_not_looked_at(backend: Any) -> None:
    for side in (OURS, THEIRS):
        fernet = side.module.Fernet(GOOD, backend=backend)
        assert fernet.decrypt(side.module.Fernet(GOOD, backend).encrypt(b"x")) == b"x"


class OnlyAnIndex:
    def __index__(self) -> int:
        return NOW


class OnlyBytes:
    """As integers of other libraries are: no `int`, with its method, by keywords alone."""

    def to_bytes(self, *, length: int, byteorder: Any) -> bytes:
        return NOW.to_bytes(length=length, byteorder=byteorder)


class Whole(int):
    pass


DATA: dict[str, Any] = {
    **{f"{length} bytes": bytes(length) for length in (0, 1, 15, 16, 17, 47, 48, 49, 70_000)},
    "bytes of a subclass": Bytes(b"x"),
    "str": "x",
    "bytearray": bytearray(b"x"),
    "memoryview": memoryview(b"x"),
    "None": None,
    "an int": 5,
    "a list": [1],
}
WHEN: dict[str, Any] = {
    **{str(seconds): seconds for seconds in (NOW, 0, 1, 2**63, 2**64 - 1, 2**64, -1, 10**30)},
    "true": True,
    "an int of a subclass": Whole(NOW),
    "only an index": OnlyAnIndex(),
    "only to_bytes": OnlyBytes(),
    "float": 1.5,
    "a whole float": float(NOW),
    "None": None,
    "str": "5",
    "bytes": b"5",
    "a list": [5],
}
IVS = [bytes(range(length)) for length in (16, 0, 1, 15, 17, 32)]
CLOCKS = [NOW + 0.999, 0.0, -0.5, -1.0, float(2**64), float("nan"), float("inf"), None, "x"]


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("when", WHEN)
def test_a_token_is_made_or_refused_alike(data: str, when: str) -> None:
    value, seconds = DATA[data], WHEN[when]
    for iv in IVS:
        mine, other = both(lambda side, iv=iv: side.fernets[0]._encrypt_from_parts(value, seconds, iv))  # type: ignore[misc]
        assert agree(mine, other), (mine, other, iv)
    for make in (lambda side: side.fernets[0], lambda side: side.rings[0]):
        mine, other = both(lambda side, make=make: make(side).encrypt_at_time(value, current_time=seconds))  # type: ignore[misc]
        assert told_by_theirs(mine) == told_by_theirs(other)


def told_by_theirs(token: Any) -> Any:
    """What is in a token, but for its IV; of an exception, all that it tells."""
    if isinstance(token, Exception):
        return type(token), token.args
    return type(token), THEIRS.fernets[0].decrypt(token), THEIRS.fernets[0].extract_timestamp(token)


@pytest.mark.parametrize("way", [lambda side: side.fernets[0], lambda side: side.rings[0]], ids=["one", "several"])
@pytest.mark.parametrize("clock", CLOCKS, ids=str)
def test_the_clock_is_time_time_at_the_call(
    way: Callable[[Side], Any], clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = THEIRS.fernets[0].encrypt_at_time(b"x", NOW)
    monkeypatch.setattr("time.time", lambda: clock)
    mine, other = both(lambda side: way(side).encrypt(b"x"))
    assert told_by_theirs(mine) == told_by_theirs(other)
    for ttl in (None, 0, 10**30):
        mine, other = both(lambda side, ttl=ttl: way(side).decrypt(token, ttl))  # type: ignore[misc]
        assert agree(mine, other), (mine, other, ttl)


def test_without_a_ttl_no_clock_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    token = OURS.fernets[0].encrypt(b"x")

    def asked() -> float:
        raise AssertionError("the clock was asked")

    monkeypatch.setattr("time.time", asked)
    assert OURS.fernets[0].decrypt(token) == OURS.rings[0].decrypt(token) == b"x"
    with pytest.raises(AssertionError):
        OURS.fernets[0].decrypt(token, ttl=5)


TOKEN = THEIRS.fernets[0].encrypt_at_time(b"x", NOW)
RINGS_OF: dict[str, Callable[[Any], Any]] = {
    "none": lambda _: [],
    "no iterable": lambda _: None,
    "an int": lambda _: 5,
    "a Fernet": lambda module: module.Fernet(GOOD),
    "a generator of one": lambda module: (module.Fernet(GOOD) for _ in range(1)),
    "text": lambda _: "ab",
    "None in it": lambda module: [None, module.Fernet(GOOD)],
}


QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda ring: type(ring).__name__,
    "decrypt": lambda ring: ring.decrypt(TOKEN),
    "decrypt with a ttl": lambda ring: ring.decrypt(TOKEN, ttl=10**30),
    "extract_timestamp": lambda ring: ring.extract_timestamp(TOKEN),
    "rotate": lambda ring: type(ring.rotate(TOKEN)),
    "encrypt": lambda ring: type(ring.encrypt(b"x")),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("which", RINGS_OF)
def test_a_multi_fernet_of_anything_works_or_fails_alike(which: str, question: str) -> None:
    make, ask = RINGS_OF[which], QUESTIONS[question]
    mine, other = both(lambda side: ask(side.module.MultiFernet(make(side.module))))
    assert agree(mine, other), (mine, other)
