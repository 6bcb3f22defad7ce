"""Keyrings made of Fernet keys: what `cryptography.fernet` wrote they read, and what they write as Fernet it reads."""

from __future__ import annotations

import random
from typing import Any

import pytest
from cryptography import fernet as theirs

from strongroom import Keyring
from strongroom.errors import InvalidArgumentError, NotAuthenticError, TokenMalformedError
from strongroom.fernet import Fernet

NOW = 1_700_000_000
VALUES = 1_000
FORMATS = ("sealed", "fernet", "node_gcm")


def values() -> list[bytes]:
    make = random.Random(VALUES)  # noqa: S311  # the same ones in every run
    fixed = [b"", b"\0", bytes(range(256)), "пароль 🔑".encode(), make.randbytes(100_000)]
    return fixed + [make.randbytes(make.randrange(200)) for _ in range(VALUES - len(fixed))]


def test_a_keyring_of_a_fernet_key_reads_a_thousand_values_of_theirs() -> None:
    key = theirs.Fernet.generate_key()
    fernet, keyring = theirs.Fernet(key), Keyring.parse(key.decode())
    for value in values():
        token = fernet.encrypt(value).decode()
        assert keyring.decrypt(token) == value
        assert keyring.inspect_token(token) == ("fernet", keyring.keys[0].id)


def test_they_read_a_thousand_values_that_a_keyring_wrote_as_fernet(monkeypatch: pytest.MonkeyPatch) -> None:
    key = theirs.Fernet.generate_key()
    fernet, keyring = theirs.Fernet(key), Keyring.parse(key.decode())
    for number, value in enumerate(values()):
        monkeypatch.setattr("time.time", lambda at=NOW + number: at + 0.999)
        token = keyring.encrypt(value, format="fernet")
        assert fernet.decrypt(token) == fernet.decrypt(token, ttl=0) == value
        assert fernet.extract_timestamp(token) == NOW + number


def test_what_a_keyring_writes_as_fernet_is_never_the_same_twice() -> None:
    keyring = Keyring.generate()
    assert len({keyring.encrypt("x", format="fernet") for _ in range(VALUES)}) == VALUES


def test_the_default_format_stays_sealed() -> None:
    key = Fernet.generate_key().decode()
    token = Keyring.parse(key).encrypt("x")
    assert token.startswith("sr1.")
    assert Keyring.parse(key).inspect_token(token)[0] == "sealed"


def test_of_several_fernet_keys_the_first_writes_and_all_read() -> None:
    keys = [theirs.Fernet.generate_key() for _ in range(5)]
    fernets = [theirs.Fernet(key) for key in keys]
    keyring = Keyring.from_env({"ENCRYPTION_KEY": ",".join(key.decode() for key in keys)})
    for fernet, info in zip(fernets, keyring.keys, strict=True):
        token = fernet.encrypt(b"x").decode()
        assert keyring.decrypt(token) == b"x"
        assert keyring.inspect_token(token) == ("fernet", info.id)
    written = keyring.encrypt("x", format="fernet")
    assert fernets[0].decrypt(written) == theirs.MultiFernet(fernets[::-1]).decrypt(written) == b"x"
    for fernet in fernets[1:]:
        with pytest.raises(theirs.InvalidToken):
            fernet.decrypt(written)


def test_a_stranger_s_or_an_altered_token_is_not_authentic() -> None:
    key = Fernet.generate_key()
    keyring, token = Keyring.parse(key.decode()), Fernet(key).encrypt(b"value").decode()
    with pytest.raises(NotAuthenticError):
        keyring.decrypt(Fernet(Fernet.generate_key()).encrypt(b"value").decode())
    for at in range(len("gAAAA"), len(token) - 1):
        altered = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        with pytest.raises((NotAuthenticError, TokenMalformedError)):
            keyring.decrypt(altered)


def test_associated_data_is_refused_for_fernet() -> None:
    with pytest.raises(InvalidArgumentError, match="associated data"):
        Keyring.generate().encrypt("x", format="fernet", associated_data="user:42")


@pytest.mark.parametrize("written", FORMATS)
@pytest.mark.parametrize(
    "formats", [["sealed"], ["fernet"], ["node_gcm"], ["sealed", "fernet"], ("node_gcm", "fernet", "sealed"), [], None]
)
def test_only_accepted_formats_are_read(written: Any, formats: Any) -> None:
    keyring = Keyring.generate()
    token = keyring.encrypt("x", format=written)
    if formats is None or written in formats:
        assert keyring.decrypt(token, formats=formats) == b"x"
    else:
        with pytest.raises((TokenMalformedError, NotAuthenticError)):
            keyring.decrypt(token, formats=formats)


@pytest.mark.parametrize("formats", [["rot13"], ["sealed", "Fernet"], ["sealed", ""], "sealed", "fernet", ""])
def test_formats_are_a_list_of_known_names(formats: Any) -> None:
    keyring = Keyring.generate()
    with pytest.raises(InvalidArgumentError):
        keyring.decrypt(keyring.encrypt("x"), formats=formats)


@pytest.mark.parametrize("formats", [5, [5], [None], [b"sealed"], True])
def test_formats_of_another_type_are_a_type_error(formats: Any) -> None:
    keyring = Keyring.generate()
    with pytest.raises(TypeError):
        keyring.decrypt(keyring.encrypt("x"), formats=formats)
