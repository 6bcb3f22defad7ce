"""Keyrings as a user has them: from the environment, from text, and what they encrypt."""

from __future__ import annotations

import base64
import copy
import pickle
import secrets
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from strongroom import Format, Keyring, StrongroomError
from strongroom.errors import (
    InvalidArgumentError,
    KeyInvalidError,
    KeyUnknownError,
    NotAuthenticError,
    NotConfiguredError,
    TokenMalformedError,
)

MATERIAL = bytes(range(32))
OTHER = bytes(range(1, 33))
TEXTS = {
    "base64": base64.b64encode(MATERIAL).decode(),
    "base64 without padding": base64.b64encode(MATERIAL).decode().rstrip("="),
    "base64url": base64.urlsafe_b64encode(bytes([0xFB] * 32)).decode(),
    "hex": MATERIAL.hex(),
    "HEX": MATERIAL.hex().upper(),
    "srk1": "srk1.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8YABeN",
}
WRONG = {
    "31 bytes": base64.b64encode(MATERIAL[:31]).decode(),
    "33 bytes": base64.b64encode(MATERIAL + b"x").decode(),
    "63 hex digits": MATERIAL.hex()[:63],
    "65 hex digits": MATERIAL.hex() + "0",
    "a passphrase": "correct horse battery staple",
    "srk1 cut short": TEXTS["srk1"][:-1],
    "srk1 with a slip": TEXTS["srk1"].replace("ECAw", "ECBw"),
    "quoted": f'"{TEXTS["base64"]}"',
    "two alphabets": "+_" + TEXTS["base64"][2:],
    "the second of two": f"{TEXTS['hex']},{OTHER.hex()[:63]}",
    "twice the same": f"{TEXTS['hex']},{TEXTS['base64']}",
}


def id_of(text: str) -> str:
    return Keyring.parse(text).keys[0].id


@pytest.mark.parametrize("form", ["base64", "base64 without padding", "hex", "HEX", "srk1"])
def test_one_key_has_one_id_however_it_is_written(form: str) -> None:
    expected = "c9ea17c3e07ac0ab4a4fe5c9cbca41d7de67e5093e38c0ae193d9d46f5940636"
    assert id_of(TEXTS[form]) == expected
    assert id_of(f" \n{TEXTS[form]}\t\n") == expected
    assert Keyring.parse(TEXTS[form]).dangerous_export() == TEXTS["srk1"]


def test_the_url_alphabet_is_read() -> None:
    assert id_of(TEXTS["base64url"]) == id_of("fb" * 32)


@pytest.mark.parametrize("separator", [",", "\n", ", ", ",\n", "\r\n", ",,"])
def test_of_several_keys_the_first_writes_and_all_read(separator: str) -> None:
    ring = Keyring.parse(separator.join([TEXTS["hex"], OTHER.hex()]))
    assert [key.state for key in ring.keys] == ["primary", "enabled"]
    old = Keyring.parse(OTHER.hex())
    assert ring.decrypt(old.encrypt("x")) == b"x"
    assert ring.inspect_token(ring.encrypt("x")) == ("sealed", ring.keys[0].id)
    assert ring.inspect_token(old.encrypt("x")) == ("sealed", old.keys[0].id)


@pytest.mark.parametrize("wrong", WRONG)
def test_text_that_is_no_key_is_refused_with_a_remedy_and_without_the_text(wrong: str) -> None:
    text = WRONG[wrong]
    for read in (Keyring.parse, lambda text: Keyring.from_env({"ENCRYPTION_KEY": text})):
        with pytest.raises(KeyInvalidError) as caught:
            read(text)
        told = str(caught.value)
        assert all(piece not in told for piece in (text[:12], text[-12:], text[20:32]))
        assert "openssl rand -base64 32" in told or "copied whole" in told or "once" in told or "twice" in told, told


@pytest.mark.parametrize("empty", ["", " ", "\n", ",", ",\n ,"])
def test_nothing_is_no_key_and_never_a_generated_one(empty: str) -> None:
    for read in (Keyring.parse, lambda text: Keyring.from_env({"ENCRYPTION_KEY": text})):
        with pytest.raises(NotConfiguredError, match="Encryption not configured") as caught:
            read(empty)
        assert "openssl rand -base64 32" in str(caught.value)


def test_an_environment_without_a_key_is_not_configured() -> None:
    with pytest.raises(NotConfiguredError, match="ENCRYPTION_KEY"):
        Keyring.from_env({"PATH": "/bin"})


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENCRYPTION_KEY_FILE", raising=False)
    monkeypatch.setenv("ENCRYPTION_KEY", TEXTS["hex"])
    assert Keyring.from_env().keys[0].id == id_of(TEXTS["hex"])
    monkeypatch.delenv("ENCRYPTION_KEY")
    with pytest.raises(NotConfiguredError):
        Keyring.from_env()


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "  \n\n"])
@pytest.mark.parametrize("form", ["hex", "base64", "srk1"])
def test_a_key_file_is_read_with_white_space_around_the_key(tmp_path: Path, form: str, ending: str) -> None:
    (tmp_path / "key").write_text(f" {TEXTS[form]}{ending}")
    assert Keyring.from_env({"ENCRYPTION_KEY_FILE": str(tmp_path / "key")}).keys[0].id == id_of(TEXTS["hex"])


def test_a_key_file_may_hold_a_list(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{TEXTS['hex']}\n{OTHER.hex()}\n")
    ring = Keyring.from_env({"ENCRYPTION_KEY_FILE": str(tmp_path / "keys")})
    assert [key.id for key in ring.keys] == [id_of(TEXTS["hex"]), id_of(OTHER.hex())]


def test_both_variables_set_is_an_error_even_when_they_agree(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(TEXTS["hex"])
    for key in (TEXTS["hex"], OTHER.hex(), "nonsense"):
        with pytest.raises(InvalidArgumentError, match="both set"):
            Keyring.from_env({"ENCRYPTION_KEY": key, "ENCRYPTION_KEY_FILE": str(tmp_path / "key")})


@pytest.mark.parametrize("unset", ["", "  "])
def test_an_empty_variable_is_not_set(tmp_path: Path, unset: str) -> None:
    (tmp_path / "key").write_text(TEXTS["hex"])
    for environ in (
        {"ENCRYPTION_KEY": unset, "ENCRYPTION_KEY_FILE": str(tmp_path / "key")},
        {"ENCRYPTION_KEY": TEXTS["hex"], "ENCRYPTION_KEY_FILE": unset},
    ):
        assert Keyring.from_env(environ).keys[0].id == id_of(TEXTS["hex"])


@pytest.mark.parametrize("kind", ["missing", "a folder", "empty", "no text", "huge", "no key", "a name with NUL"])
def test_a_key_file_that_is_none_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key"
    content = {"empty": b"", "no text": b"\xff" * 32, "huge": b"x" * 70_000, "no key": b"canary-canary-canary"}
    if kind == "a folder":
        path.mkdir()
    elif kind in content:
        path.write_bytes(content[kind])
    name = f"{path}\0" if kind == "a name with NUL" else str(path)
    with pytest.raises(KeyInvalidError if kind == "no key" else NotConfiguredError) as caught:
        Keyring.from_env({"ENCRYPTION_KEY_FILE": name})
    assert "canary" not in str(caught.value)
    assert "ENCRYPTION_KEY_FILE" in str(caught.value)


def test_a_generated_key_is_new_and_knows_when_it_was_made() -> None:
    before = datetime.now(timezone.utc) - timedelta(milliseconds=1)
    one, other = Keyring.generate(), Keyring.generate()
    assert one.keys[0].id != other.keys[0].id
    made = one.keys[0].created_at
    assert made is not None
    assert before <= made <= datetime.now(timezone.utc)
    assert Keyring.parse(one.dangerous_export()).keys[0].created_at is None


def test_an_exported_keyring_reads_what_it_wrote() -> None:
    ring = Keyring.parse(f"{TEXTS['hex']},{OTHER.hex()}")
    again = Keyring.parse(ring.dangerous_export())
    assert [key.id for key in again.keys] == [key.id for key in ring.keys]
    assert again.decrypt(ring.encrypt("x")) == b"x"


def test_a_keyring_shows_ids_and_no_key() -> None:
    ring = Keyring.parse(f"{TEXTS['hex']},{OTHER.hex()}")
    assert repr(ring) == f"Keyring({ring.keys[0].id[:8]}, {ring.keys[1].id[:8]})"
    shown = repr(ring) + str(ring.keys) + repr(ring._handle)
    assert TEXTS["hex"][:12] not in shown
    for take in (pickle.dumps, copy.deepcopy, vars):
        with pytest.raises(TypeError):
            take(ring)
    with pytest.raises(TypeError, match=r"Keyring\.generate"):
        Keyring()


def test_a_sealed_value_opens_with_its_associated_data_alone(keyring: Keyring) -> None:
    token = keyring.encrypt(b"hunter2", associated_data=b"user:42")
    assert token.startswith("sr1.")
    assert keyring.decrypt(token, associated_data="user:42") == b"hunter2"
    for other in (None, b"", b"user:43", b"user:42\0"):
        with pytest.raises(NotAuthenticError):
            keyring.decrypt(token, associated_data=other)


def test_empty_associated_data_is_not_the_same_as_none(keyring: Keyring) -> None:
    with pytest.raises(NotAuthenticError):
        keyring.decrypt(keyring.encrypt("x", associated_data=b""))
    assert keyring.decrypt(keyring.encrypt("x", associated_data=b""), associated_data="") == b"x"


@pytest.mark.parametrize("format", ["node_gcm", "fernet"])
def test_an_old_format_is_written_on_request(keyring: Keyring, format: Format) -> None:  # noqa: A002  # the argument
    token = keyring.encrypt("hunter2", format=format)
    assert keyring.inspect_token(token) == (format, keyring.keys[0].id)
    assert keyring.decrypt(token) == b"hunter2"
    with pytest.raises(InvalidArgumentError, match="associated data"):
        keyring.encrypt("hunter2", format=format, associated_data="x")


def test_an_unknown_format_is_refused(keyring: Keyring) -> None:
    with pytest.raises(InvalidArgumentError):
        keyring.encrypt("hunter2", format="rot13")  # type: ignore[arg-type]


def test_another_key_is_unknown_or_does_not_open(keyring: Keyring) -> None:
    other = Keyring.generate()
    with pytest.raises(KeyUnknownError, match="wrong key"):
        other.decrypt(keyring.encrypt("x"))
    with pytest.raises(NotAuthenticError, match="wrong key or altered value"):
        other.decrypt(keyring.encrypt("x", format="node_gcm"))


@pytest.mark.parametrize("token", ["", "sr1.", "sr1.!!!", "sr1.AAAA", "gAAAA", "x", "AAAA", "\0", "\U0001f511" * 40])
def test_what_is_no_token_is_malformed(keyring: Keyring, token: str) -> None:
    with pytest.raises(TokenMalformedError):
        keyring.decrypt(token)


@pytest.mark.parametrize("wrong", [None, 5, b"sr1.AAAA", ["x"]])
def test_a_token_is_text(keyring: Keyring, wrong: Any) -> None:
    with pytest.raises(TypeError):
        keyring.decrypt(wrong)


def test_bytes_come_back_as_they_were(keyring: Keyring) -> None:
    for value in (b"", b"\0", bytes(range(256)), secrets.token_bytes(1_000_000)):
        assert keyring.decrypt(keyring.encrypt(value)) == value
        assert keyring.decrypt(keyring.encrypt(bytearray(value))) == value  # type: ignore[arg-type]


def test_the_error_of_a_keyring_names_no_operation(keyring: Keyring) -> None:
    with pytest.raises(StrongroomError) as caught:
        keyring.decrypt("nonsense")
    assert caught.value.operation is None
