"""Wrapped keyrings from host to host: what one wrapped every other opens, and each agrees with the permanent vectors,
which the Rust core makes and reads, and with the independent decoder.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import wrapped_keyring
from sealed_v1 import RefusedError as UnreadableError
from strongroom import Keyring, PassphraseCost, StrongroomError, WrappedKeyring

from hosts.process import ROOT, Host, Program, RefusedError, program

OWN = ROOT / "core" / "tests" / "own"
CASES = [
    (f"{path.stem}: {case['name']}", case)
    for path in sorted(OWN.glob("wrapped_keyring*.json"))
    for case in json.loads(path.read_text(encoding="utf-8"))["cases"]
]
HOSTS = ("python", "node", "web")
PHRASE = "caf\u00e9 \U0001f511 with  spaces "
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MILLISECOND = timedelta(milliseconds=1)


def masked(octets: bytes | bytearray) -> bytes:
    """What the tests take for a KMS."""
    return bytes(octet ^ 0x5A for octet in octets)


class Python:
    """Does what `hosts/wrapped.mjs` does."""

    def ask(self, what: str, **given: Any) -> Any:
        does: Callable[..., Any] = getattr(self, what)
        try:
            return does(**given)
        except StrongroomError as error:
            raise RefusedError(error.code, str(error)) from error

    def seal(self, key: str, key_label: str, label: str, passphrase: str, cost: list[int]) -> Any:
        keyring = Keyring.parse(key).add_enabled(label=key_label)
        keyring = keyring.make_primary(keyring.keys[1].id).advance(keyring.keys[0].id, "disabled")
        wrapped = WrappedKeyring.seal(keyring, label, passphrase=passphrase, cost=PassphraseCost(*cost))
        with wrapped.open(passphrase=passphrase) as opened:
            opened.add("host", wrap=masked)
        return {"text": opened.wrapped.to_text(), "keys": told(keyring), "token": keyring.encrypt("hello")}

    def open(self, text: str, passphrase: str | None = None, data_key: str | None = None) -> Any:
        wrapped = WrappedKeyring.parse(text)
        if passphrase is not None:
            return told(wrapped.unwrap(passphrase=passphrase))
        return told(wrapped.unwrap(unwrap=masked if data_key is None else lambda _: bytes.fromhex(data_key)))

    def decrypt(self, text: str, passphrase: str, token: str) -> Any:
        return WrappedKeyring.parse(text).unwrap(passphrase=passphrase).decrypt(token).decode()

    def renew(self, text: str, passphrase: str) -> Any:
        with WrappedKeyring.parse(text).open(passphrase=passphrase) as opened:
            opened.reseal(opened.keyring.add_enabled(label="renewed"))
        return {"text": opened.wrapped.to_text(), "keys": told(opened.keyring)}


def told(keyring: Keyring) -> list[dict[str, Any]]:
    return [
        {
            "id": key.id,
            "state": key.state,
            "label": key.label,
            "created_at": None if key.created_at is None else str((key.created_at - EPOCH) // MILLISECOND),
        }
        for key in keyring.keys
    ]


def script(host: str) -> Program:
    node = program("node").command[0]
    folder = ROOT / ("node" if host == "node" else "wasm") / "lib"
    entry = folder / host.replace("web", "wasm") / "ts" / "index.js"
    module = [] if host == "node" else [str(folder / "wasm" / "pkg" / "strongroom_wasm_bg.wasm")]
    command = [node, "--no-warnings", str(ROOT / "tests" / "hosts" / "wrapped.mjs"), str(entry), *module]
    return Program(command, entry, "scripts/build-node.sh and scripts/build-wasm.sh")


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, Any]]:
    running = {host: Host(host, script(host)) for host in HOSTS if host != "python"}
    yield {"python": Python(), **running}
    for host in running.values():
        host.close()


@pytest.mark.parametrize("writer", HOSTS)
@pytest.mark.parametrize("reader", HOSTS)
def test_what_one_host_wrapped_another_opens_and_changes(hosts: dict[str, Any], writer: str, reader: str) -> None:
    made = hosts[writer].ask(
        "seal",
        key=secrets.token_hex(32),
        key_label="2027 \u00e9",
        label="alice \U0001f511",
        passphrase=PHRASE,
        cost=[8192, 2, 3],
    )
    text, keys = made["text"], made["keys"]
    assert [(key["state"], key["label"]) for key in keys] == [("primary", "2027 \u00e9"), ("disabled", None)]
    assert hosts[reader].ask("open", text=text, passphrase=PHRASE) == keys
    assert hosts[reader].ask("open", text=text) == keys
    assert hosts[reader].ask("decrypt", text=text, passphrase=PHRASE, token=made["token"]) == "hello"
    with pytest.raises(RefusedError) as refused:
        hosts[reader].ask("open", text=text, passphrase=PHRASE.rstrip())
    assert refused.value.code == "NOT_AUTHENTIC"
    renewed = hosts[reader].ask("renew", text=text, passphrase=PHRASE)
    assert hosts[writer].ask("open", text=renewed["text"], passphrase=PHRASE) == renewed["keys"]
    assert hosts[writer].ask("open", text=renewed["text"]) == renewed["keys"]
    assert [key["label"] for key in renewed["keys"]] == ["2027 \u00e9", None, "renewed"]


@pytest.mark.parametrize("writer", HOSTS)
def test_the_independent_decoder_opens_what_each_host_wrapped(hosts: dict[str, Any], writer: str) -> None:
    made = hosts[writer].ask(
        "seal", key=secrets.token_hex(32), key_label="x", label="y", passphrase=PHRASE, cost=[8200, 1, 2]
    )
    opened = wrapped_keyring.open_wrapped(made["text"], passphrase=PHRASE)
    assert [{name: key[name] for name in ("id", "state", "label", "created_at")} for key in opened] == made["keys"]


def test_no_vector_was_lost() -> None:
    assert len(CASES) >= 70
    assert len([name for name, case in CASES if "keys" in case["outcome"]]) >= 8


@pytest.mark.parametrize("host", HOSTS)
def test_every_host_agrees_with_the_vectors(hosts: dict[str, Any], host: str) -> None:
    for name, case in CASES:
        way = {key: case[key] for key in ("passphrase", "data_key") if key in case}
        assert len(way) == 1, name
        expected: Any = case["outcome"]
        if "data_key" in way and is_read_and_has_no_host_wrap(case["text"]):
            expected = {"error": "UNSUPPORTED"}  # Nobody would be asked for it.
        elif "keys" in expected:
            expected = [as_told(key) for key in expected["keys"]]
        try:
            found = hosts[host].ask("open", text=case["text"], **way)
        except RefusedError as refused:
            found = {"error": refused.code}
        assert found == expected, f"{name}: {found}"


def as_told(key: dict[str, Any]) -> dict[str, Any]:
    """A key of a vector as hosts tell it: without its material, and without a time that no date can be."""
    at = key["created_at"]
    is_date = at is not None and abs(int(at)) < 8_640_000_000_000_000
    return {**{name: key[name] for name in ("id", "state", "label")}, "created_at": at if is_date else None}


def is_read_and_has_no_host_wrap(text: str) -> bool:
    try:
        _, wraps = wrapped_keyring.read_document(text)
    except UnreadableError:
        return False
    return not any("opaque" in wrap for wrap in wraps)
