"""100,000 tokens, hostile ones above all: `strongroom.fernet` answers to each as `cryptography.fernet` does.

Every answer counts: the bytes, or the exception by its type and its words.
"""

from __future__ import annotations

import base64
import decimal
import fractions
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography import fernet as theirs
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from fernet.sides import KEYS, NOW, OURS, RINGS, THEIRS, VERSION, Bytes, Side, Text, agree, both, signed

SEED = 20261122
TOKENS = 100_000
STRANGER = bytes(range(100, 132))
TIMES = [0, 1, *(NOW + step for step in (-3600, -61, -60, -2, -1, 0, 1, 59, 60, 61, 3600)), 2**63 - 1, 2**63, 2**64 - 1]
TTLS = [0, 1, 2, 59, 60, 61, 3600, -1, -60, -(10**30), 10**30, True, False]
ODD_TTLS = [
    0.5,
    60.0,
    -0.5,
    float("inf"),
    float("nan"),
    fractions.Fraction(121, 2),
    decimal.Decimal(60),
    "60",
    b"",
    [],
    {},
]
CLOCKS = [NOW] * 6 + [NOW - 60, NOW - 61, NOW + 60, 0, -1, 2**64, NOW + 0.5, float("nan"), "0", None]
CHARACTERS = "ABCXYZabcxyz0189+/-_=\n\r\t \0.,~é\u0660\U0001f511\udc80"


def enciphered(padded: bytes, iv: bytes, key: bytes) -> bytes:
    """Under the half of the key that encrypts, with whatever padding is there."""
    encryptor = Cipher(algorithms.AES(key[16:]), modes.CBC(iv)).encryptor()
    return encryptor.update(padded) + encryptor.finalize()


def flipped(character: str, bit: int) -> str:
    return chr(ord(character) ^ 1 << bit) if character else ""


class Maker:
    """Makes texts that claim to be tokens, always the same ones."""

    def __init__(self) -> None:
        self.random = random.Random(SEED)  # noqa: S311  # the same ones in every run

    def tokens(self, count: int) -> Iterator[tuple[str, Any]]:
        kinds = {"valid": 15, "resigned": 35, "mutated": 35, "stranger": 5, "junk": 10}
        for kind in self.random.choices([*kinds], [*kinds.values()], k=count):
            yield kind, self.in_some_type(getattr(self, kind)())

    def plaintext(self) -> bytes:
        return self.random.randbytes(self.random.choice([0, 1, 15, 16, 17, 31, 32, 33, 64, self.random.randrange(500)]))

    def valid(self) -> bytes:
        side, which = self.random.choice([OURS, THEIRS]), self.random.randrange(len(KEYS))
        when, iv = self.random.choice(TIMES), self.random.randbytes(16)
        token: bytes = side.fernets[which]._encrypt_from_parts(self.plaintext(), when, iv)
        return token

    def stranger(self) -> bytes:
        token: bytes = theirs.Fernet(base64.urlsafe_b64encode(STRANGER)).encrypt_at_time(self.plaintext(), NOW)
        return token

    def resigned(self) -> bytes:
        """Under a right MAC, and hostile in what the MAC is of."""
        key = self.random.choice(KEYS)
        version = self.random.choice([VERSION] * 9 + [b"\x00", b"\x7f", b"\x81", b"\xff", b""])
        iv, when = self.random.randbytes(16), self.random.choice(TIMES).to_bytes(8, "big")
        shape = self.random.randrange(4)
        if shape == 0:  # A padding that is none, or one that is: told by the last block alone.
            blocks = bytearray(self.random.randbytes(16 * self.random.randrange(1, 4)))
            length = self.random.choice([0, 1, 2, 8, 15, 16, 17, 32, 128, 255])
            blocks[-min(length, 16) or len(blocks) :] = bytes([length]) * (min(length, 16) or len(blocks))
            if self.random.random() < 0.5:
                blocks[-self.random.randrange(1, 17)] ^= self.random.choice([1, 16, 128])
            body = version + when + iv + enciphered(bytes(blocks), iv, key)
        elif shape == 1:  # A ciphertext of any length.
            body = version + when + iv + self.random.randbytes(self.random.randrange(50))
        elif shape == 2:  # Cut anywhere, down to nothing.
            body = (version + when + iv)[: self.random.randrange(26)]
        else:  # A token that was changed and signed again.
            body = bytearray(base64.urlsafe_b64decode(self.valid())[:-32])  # type: ignore[assignment]
            body[self.random.randrange(len(body))] ^= 1 << self.random.randrange(8)  # type: ignore[index]
        return base64.urlsafe_b64encode(signed(bytes(body), key))

    def mutated(self) -> str:
        text = self.random.choice([self.valid, self.resigned])().decode()
        for _ in range(self.random.choice([1, 1, 1, 2, 3])):
            text = self.mutation(text)
        return text

    def mutation(self, text: str) -> str:
        at, until = sorted(self.random.randrange(len(text) + 1) for _ in range(2))
        pad = text.rstrip("=")
        mutations: list[Callable[[], str]] = [
            lambda: text[:at] + flipped(text[at : at + 1], self.random.randrange(7)) + text[at + 1 :],
            lambda: text[:at] + self.random.choice(CHARACTERS) + text[at + 1 :],
            lambda: text[:at] + self.random.choice(CHARACTERS) + text[at:],
            lambda: text[:at] + self.random.choice(["\n", " ", "\r\n", "\t", "\0", "!"]) * 4 + text[at:],
            lambda: "\n".join(text[i : i + 64] for i in range(0, len(text), 64)) + "\n",
            lambda: text[:at],
            lambda: text[at:],
            lambda: text[:at] + text[until:],
            lambda: text[:until] + text[at:],
            lambda: text + text,
            lambda: text.translate(str.maketrans("-_", "+/")),
            lambda: text.translate(str.maketrans("AB", "BA")),
            lambda: pad,
            lambda: pad + "=" * self.random.randrange(6),
            lambda: pad + "=\n=",
            lambda: pad[:-1] + self.random.choice("ABCDEFghijkl-_+/") + text[len(pad) :],
            lambda: text[:at] + "=" + text[at:],
            lambda: text[:at] + "==" + text[at:],
            lambda: f" {text}\n",
            lambda: f"\ufeff{text}",
            lambda: f'"{text}"',
        ]
        return self.random.choice(mutations)()

    def junk(self) -> Any:
        kinds: list[Callable[[], Any]] = [
            lambda: "",
            lambda: self.random.randbytes(self.random.randrange(200)),
            lambda: base64.urlsafe_b64encode(self.random.randbytes(self.random.randrange(200))),
            lambda: base64.urlsafe_b64encode(VERSION + self.random.randbytes(self.random.randrange(120))),
            lambda: "".join(self.random.choices(CHARACTERS, k=self.random.randrange(100))),
            lambda: "gAAAA" + "A" * self.random.randrange(200),
            lambda: self.random.choice([None, 0, -1, 2.5, True, [], {}, object, (b"gAAAA",)]),
        ]
        return self.random.choice(kinds)()

    def in_some_type(self, token: Any) -> Any:
        if not isinstance(token, (str, bytes)):
            return token
        as_bytes = token.encode("utf-8", "surrogatepass") if isinstance(token, str) else token
        text = token if isinstance(token, str) else token.decode("latin-1")
        kinds: list[Callable[[Any], Any]] = [str, bytes, Text, Bytes, bytearray, memoryview]
        kind = self.random.choices(kinds, [45, 45, 3, 3, 2, 2])[0]
        return kind(text) if kind in (str, Text) else kind(as_bytes)

    def questions(self, token: Any) -> Iterator[tuple[str, Callable[[Side], Any]]]:
        """What is asked about a token, as words and as a call: what it holds, and something by lot."""
        which, ring = self.random.randrange(len(KEYS)), self.random.randrange(len(RINGS))
        ttl: Any = self.random.choice(ODD_TTLS if self.random.random() < 0.1 else TTLS)
        clock: Any = self.random.choice(CLOCKS)
        yield f"key {which} decrypt", lambda side: side.fernets[which].decrypt(token)
        one: list[tuple[str, Callable[[Any], Any]]] = [
            ("extract_timestamp", lambda fernet: fernet.extract_timestamp(token)),
            (f"decrypt, ttl {ttl}", lambda fernet: fernet.decrypt(token, ttl)),
            (f"decrypt_at_time {ttl} {clock}", lambda fernet: fernet.decrypt_at_time(token, ttl, clock)),
            ("decrypt_at_time without ttl", lambda fernet: fernet.decrypt_at_time(token, None, clock)),
        ]
        several = [
            *one,
            ("decrypt", lambda ring: ring.decrypt(token)),
            ("rotate", lambda ring: (ring.rotate(token),)),
        ]
        if self.random.random() < 0.4:
            words, ask = self.random.choice(one)
            yield f"key {which} {words}", lambda side: ask(side.fernets[which])
        else:
            words, ask_ring = self.random.choice(several)
            yield f"ring {ring} {words}", lambda side: opened(ask_ring(side.rings[ring]), RINGS[ring][0])


def opened(answer: Any, first: int) -> Any:
    """Of a rotated token, which never comes out twice the same: what it holds under the ring's first key, and when."""
    if not isinstance(answer, tuple):
        return answer
    return THEIRS.fernets[first].decrypt(answer[0]), THEIRS.fernets[first].extract_timestamp(answer[0])


def test_a_hundred_thousand_tokens_get_the_same_answers_from_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOW + 0.75)
    make, differences, answers = Maker(), [], Counter[tuple[str, str]]()
    for number, (kind, token) in enumerate(make.tokens(TOKENS)):
        for words, ask in make.questions(token):
            mine, other = both(ask)
            answers[kind, type(other).__name__] += 1
            if not agree(mine, other):
                differences.append(f"{number} {kind}, {words}: {token!r}: ours {mine!r}, theirs {other!r}")
    assert differences[:5] == [], len(differences)
    # Neither refused nor accepted one and all: every kind of answer was compared, and often.
    for kind in ("valid", "resigned", "mutated"):
        for answer in ("bytes", "int", "tuple", "InvalidToken"):
            assert answers[kind, answer] > 200, (kind, answer, answers)
    for answer in ("TypeError", "ValueError"):
        assert sum(count for (_, each), count in answers.items() if each == answer) > 1000, (answer, answers)
    assert {each for kind, each in answers if kind == "stranger"}.isdisjoint({"bytes", "int", "tuple"})
