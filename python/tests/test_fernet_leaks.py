"""Keys and plaintexts in `strongroom.fernet`: in no repr, attribute or error, in no frame of it or of what it calls."""

from __future__ import annotations

import base64
import json
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import fernet as theirs

from leakscan import Scanner, make_canary
from strongroom import fernet as ours
from strongroom.fernet import Fernet, InvalidToken, MultiFernet

NOW = 1_700_000_000


class Broken:
    """As a Fernet of somebody else's that reads and does not write."""

    def __init__(self, fernet: Fernet) -> None:
        self._decrypt_data, self._verify_signature = fernet._decrypt_data, fernet._verify_signature

    def _encrypt_from_parts(self, *_: object) -> bytes:
        raise OSError("out of order")

    encrypt_at_time = _encrypt_from_parts


def told_by(error: BaseException) -> str:
    """What an error and its causes tell, and the locals of all frames but those of this file: the caller's."""
    told, pending, seen = "", [error], set[int]()
    while pending:
        each = pending.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        told += f"{each} {each!r} {each.args!r} {vars(each)!r} {getattr(each, 'object', '')!r}\n"
        captured = traceback.TracebackException.from_exception(each, capture_locals=True)
        told += "".join(
            f"{frame.filename} {frame.name}: {frame.locals}\n" for frame in captured.stack if frame.filename != __file__
        )
        pending += [cause for cause in (each.__cause__, each.__context__) if cause is not None]
    return told


def everything_of(thing: Any) -> str:
    attributes = [f"{name}={getattr(thing, name)!r}" for name in dir(thing) if name != "__doc__"]
    return f"{thing} {thing!r} {thing:} {vars(thing)} {attributes} {json.dumps([thing], default=repr)}"


def test_no_key_is_told_by_a_fernet() -> None:
    raw = make_canary(32).encode()
    fernet = Fernet(base64.urlsafe_b64encode(raw))
    scanner = Scanner(raw, base64.urlsafe_b64encode(raw))
    for thing in (fernet, MultiFernet([fernet]), fernet._key, MultiFernet([fernet])._keys):
        told = f"{thing!r} {thing}" if not hasattr(thing, "__dict__") else everything_of(thing)
        assert "Fernet" in told
        assert scanner.find("told", told) == []
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="holds a key") as refused:
                pickle.dumps(thing, protocol)
            assert scanner.find("refused", told_by(refused.value)) == []


KEYS: dict[str, Callable[[str], Any]] = {
    "cut": lambda key: key[:-1],
    "cut, bytes": lambda key: key[:-1].encode(),
    "without padding": lambda key: key.rstrip("="),
    "too long": lambda key: base64.urlsafe_b64encode(base64.urlsafe_b64decode(key) + b"x"),
    "too short": lambda key: base64.urlsafe_b64encode(base64.urlsafe_b64decode(key)[:-1]),
    "a slip outside ASCII": lambda key: key[:-2] + "é=",
    "a lone surrogate": lambda key: key + "\udcff",
    "in a list": lambda key: [key],
    "in a dict": lambda key: {"key": key},
}


@pytest.mark.parametrize("which", KEYS)
def test_no_error_about_a_key_tells_it(which: str) -> None:
    raw = make_canary(32).encode()
    text = base64.urlsafe_b64encode(raw).decode()
    with pytest.raises((TypeError, ValueError, AttributeError)) as refused:
        Fernet(KEYS[which](text))
    told = told_by(refused.value)
    assert ours.__file__ in told, "no frame of the module was looked into"
    assert Scanner(raw, text.rstrip("=")).find(which, told) == [], told


FAILURES: dict[str, Callable[[Fernet, Any], object]] = {
    "encrypt text": lambda fernet, value: fernet.encrypt(value.decode()),
    "encrypt a bytearray": lambda fernet, value: fernet.encrypt(bytearray(value)),  # type: ignore[arg-type]
    "encrypt text at a time": lambda fernet, value: fernet.encrypt_at_time(value.decode(), NOW),
    "encrypt at no time": lambda fernet, value: fernet.encrypt_at_time(value, None),  # type: ignore[arg-type]
    "encrypt before all time": lambda fernet, value: fernet.encrypt_at_time(value, -1),
    "encrypt from no parts": lambda fernet, value: fernet._encrypt_from_parts(value, NOW, b""),
    "a ring encrypts text": lambda fernet, value: MultiFernet([fernet]).encrypt(value.decode()),
    "a ring encrypts at no time": lambda fernet, value: MultiFernet([fernet]).encrypt_at_time(value, None),  # type: ignore[arg-type]
    "a ring of a broken one encrypts": lambda fernet, value: MultiFernet([Broken(fernet)]).encrypt(value),  # type: ignore[list-item]
    "a ring of a broken one rotates": lambda fernet, value: MultiFernet([Broken(fernet)]).rotate(fernet.encrypt(value)),  # type: ignore[list-item]
    "decrypt too late": lambda fernet, value: fernet.decrypt_at_time(fernet.encrypt_at_time(value, NOW), 5, NOW + 6),
    "decrypt for no time": lambda fernet, value: fernet.decrypt(fernet.encrypt(value), ttl="5"),  # type: ignore[arg-type]
    "decrypt a token with more": lambda fernet, value: fernet.decrypt(fernet.encrypt(value) + b"AAAA"),
    "a ring decrypts too late": lambda fernet, value: MultiFernet([fernet]).decrypt_at_time(
        fernet.encrypt_at_time(value, NOW), 5, NOW + 6
    ),
    "a ring decrypts a stranger's": lambda fernet, value: MultiFernet([fernet]).decrypt(
        theirs.Fernet(Fernet.generate_key()).encrypt(value)
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_no_failure_tells_the_key_or_the_plaintext(failure: str) -> None:
    value, raw = make_canary(), make_canary(32).encode()
    with pytest.raises((InvalidToken, TypeError, ValueError, AttributeError, OverflowError, OSError)) as failed:
        FAILURES[failure](Fernet(base64.urlsafe_b64encode(raw)), value.encode())
    told = told_by(failed.value)
    assert ours.__file__ in told, "no frame of the module was looked into"
    assert Scanner(value, raw).find(failure, told) == [], told


def test_the_scan_of_frames_finds_what_is_planted() -> None:
    value = make_canary()

    def planted(held: str) -> None:
        raise ValueError("words")

    planted.__code__ = planted.__code__.replace(co_filename="fernet.py")
    with pytest.raises(ValueError, match="words") as failed:
        planted(value)
    assert Scanner(value).find("planted", told_by(failed.value)) != []
    with pytest.raises(UnicodeEncodeError) as unicode:
        f"{value}é".encode("ascii")
    assert Scanner(value).find("planted", told_by(unicode.value)) != []
