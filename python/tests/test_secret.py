"""A secret shows itself to nobody who does not ask, and the key neither."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from strongroom import Keyring, Secret, Vault, mask
from strongroom.errors import InvalidArgumentError, ValueInvalidError

VALUE = "sk_test_0123456789_the_rest_is_secret"
HIDDEN = VALUE[4:]

SHOWN: dict[str, Callable[[Secret], Any]] = {
    "str": str,
    "repr": repr,
    "ascii": ascii,
    "f-string": lambda secret: f"{secret} {secret!r} {secret!s} {secret:>60} {secret:.100}",
    "percent": lambda secret: "%s %r %a" % (secret, secret, secret),  # noqa: UP031
    "format": lambda secret: "{} {!r}".format(secret, secret),  # noqa: UP032
    "in a container": lambda secret: repr([{"a": (secret, {"b": secret})}]),
    "details": lambda secret: repr(secret.details),
    "dir": lambda secret: [repr(getattr(secret, name)) for name in dir(secret) if not name.startswith("reveal")],
    "handle": lambda secret: [
        repr(getattr(secret._handle, name)) for name in dir(secret._handle) if not name.startswith("reveal")
    ],
}
REFUSED: dict[str, Callable[[Any], Any]] = {
    "json": json.dumps,
    "pickle": pickle.dumps,
    "old pickle": lambda secret: pickle.dumps(secret, protocol=0),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "vars": vars,
    "hash": hash,
    "bytes": bytes,
    "iter": iter,
    "len": len,
    "concatenation": lambda secret: "x" + secret,
    "join": lambda secret: "".join([secret]),
    "memoryview": memoryview,
    "pickled handle": lambda secret: pickle.dumps(secret._handle),
    "copied handle": lambda secret: copy.copy(secret._handle),
}


@pytest.mark.parametrize("way", SHOWN)
def test_what_is_shown_is_masked(way: str) -> None:
    assert HIDDEN not in str(SHOWN[way](Secret(VALUE)))


@pytest.mark.parametrize("way", REFUSED)
def test_what_would_take_the_value_along_is_refused_without_showing_it(way: str) -> None:
    with pytest.raises(TypeError) as caught:
        REFUSED[way](Secret(VALUE))
    assert VALUE[:8] not in str(caught.value)


def test_a_traceback_that_shows_locals_shows_it_masked() -> None:
    secret = Secret(VALUE)
    try:
        raise RuntimeError(secret)
    except RuntimeError as error:
        told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "sk_t****" in told
    assert HIDDEN not in told
    secret.wipe()


def test_a_log_shows_it_masked(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("app").warning("got %s and %r", Secret(VALUE), Secret(VALUE))
    assert caplog.messages == ["got sk_t**** and Secret('sk_t****')"]


def test_reveal_is_the_way_out() -> None:
    assert Secret(VALUE).reveal() == VALUE
    assert Secret(VALUE).reveal_bytes() == VALUE.encode()
    assert Secret("\U0001f511\0\n").reveal() == "\U0001f511\0\n"


def test_a_value_that_is_no_text_is_revealed_as_bytes() -> None:
    secret = Secret(bytes(range(256)))
    assert secret.reveal_bytes() == bytes(range(256))
    with pytest.raises(ValueInvalidError):
        secret.reveal()
    assert str(secret) == "****"


def test_secrets_are_equal_when_their_values_are_and_never_equal_text() -> None:
    assert Secret(VALUE) == Secret(VALUE.encode())
    assert Secret(VALUE) != Secret(VALUE + "x")
    assert Secret(VALUE) != VALUE
    assert Secret(VALUE) != VALUE
    assert VALUE not in [Secret(VALUE)]


def test_a_wiped_secret_reveals_nothing_and_can_still_be_shown() -> None:
    with Secret(VALUE) as secret:
        assert secret.reveal() == VALUE
    for call in (secret.reveal, secret.reveal_bytes, secret.masked):
        with pytest.raises(InvalidArgumentError, match="wiped"):
            call()
    assert (str(secret), repr(secret), f"{secret:>6}") == ("wiped", "Secret('wiped')", " wiped")
    secret.wipe()


def test_a_caller_may_wipe_what_it_gave_and_what_it_got(vault: Vault) -> None:
    with Secret(VALUE) as given:
        vault.set("A", given, actor="alice")
    with vault.get("A", actor="alice") as got:
        assert got.reveal() == VALUE
    assert vault.get("A", actor="alice").reveal() == VALUE


def test_a_wiped_secret_cannot_be_stored(vault: Vault) -> None:
    secret = Secret(VALUE)
    secret.wipe()
    with pytest.raises(InvalidArgumentError, match="wiped") as caught:
        vault.set("A", secret, actor="alice")
    assert caught.value.operation == "set"
    assert not vault.exists("A", actor="alice")


@pytest.mark.parametrize("wrong", [5, None, 1.5, ["a"], object(), memoryview(b"x")])
def test_a_value_is_text_or_bytes(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"a value is `str` or `bytes`"):
        Secret(wrong)


@pytest.mark.parametrize("make", [Secret, mask, Keyring.parse, Keyring.generate().encrypt])
def test_text_that_is_no_unicode_is_refused_without_being_repeated(make: Callable[[str], object]) -> None:
    with pytest.raises(InvalidArgumentError, match="lone surrogate") as caught:
        make(VALUE + "\udcff")
    error: BaseException | None = caught.value
    while error is not None:
        assert VALUE[4:] not in repr(error) + repr(vars(error))
        error = error.__cause__ or error.__context__


def test_masks_tell_neither_value_nor_length() -> None:
    assert mask("sk_test_abc123") == "sk_t****"
    assert mask("sk_test_abc123" * 99) == "sk_t****"
    assert mask("123456789012345678901xyz", "prefix(8)") == "12345678..."
    assert mask("123456789012345678901xyz", "ends(3)") == "123***...xyz"
    assert mask("hunter2") == mask("") == mask(b"\xff" * 99) == mask(VALUE, "full") == "****"
    with pytest.raises(InvalidArgumentError):
        mask(VALUE, "prefix(40)")  # type: ignore[arg-type]
