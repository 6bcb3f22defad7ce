"""What a process has in its memory: no value and no key that it wiped or let go of, nor what an operation held when it
was cancelled.

The secrets are made here and reach the process encrypted, or as a file that only Rust reads: no string of Python or
JavaScript ever holds them, unless a scenario asks for it to show that the search finds what is there.
"""

from __future__ import annotations

import base64
import json
import platform
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sealed_v1 import Context, open_sealed
from strongroom import Keyring, Vault
from strongroom.stores import SQLiteStore

from heap import process
from heap.memory import Found
from heap.process import Language, found_in
from leakscan import make_canary

LANGUAGES: list[Language] = ["python", "node"]


def has_aes() -> bool:
    """Whether the cipher works by the processor's own instructions."""
    return platform.machine() == "x86_64" and " aes " in Path("/proc/cpuinfo").read_text()


class World:
    """A vault with one secret, its key as a file, and all that must not be seen of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        material, value = secrets.token_bytes(32), make_canary(96)
        (folder / "key").write_text(base64.b64encode(material).decode() + "\n")
        with SQLiteStore(folder / "vault.db") as store:
            # Not Latin-1 at its end: the string that a host makes of it has two octets a character.
            Vault(Keyring.parse(material.hex()), store).set("A", value + "\u20ac", actor="alice")
        self.of_value = {"value": value.encode(), "record key": record_key(folder / "vault.db", material)}
        self.of_key = {"key": material, "seal key": derived(material, "strongroom/v1/seal")}

    def has_value(self, language: Language, scenario: str) -> list[Found]:
        return found_in(language, scenario, self.folder, self.of_value)

    def has_key(self, language: Language, scenario: str) -> list[Found]:
        return found_in(language, scenario, self.folder, self.of_key)


def record_key(path: Path, material: bytes) -> bytes:
    """The key that authenticates a vault's records, which operations have in memory while they run."""
    with closing(sqlite3.connect(path)) as connection:
        [[data]] = connection.execute("SELECT data FROM strongroom_records WHERE kind = 'head'")
    head = json.loads(data)
    [root] = head["roots"]
    context = Context("vault-root", bytes.fromhex(head["vault_id"]), version=root["epoch"])
    return derived(open_sealed(root["sealed"], [material], context), "strongroom/v1/record")


def derived(material: bytes, info: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=info.encode()).derive(material)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def told(found: list[Found]) -> set[tuple[str, str]]:
    return {(each.secret, each.encoding) for each in found}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("holds_a_secret", {("value", "octets")}),
        ("waits_in_the_middle", {("value", "octets"), ("record key", "octets")}),
        ("reveals_a_secret", {("value", "utf-16")}),
        ("has_a_secret_in_other_encodings", {("value", "base64"), ("value", "hex")}),
    ],
)
def test_a_value_that_is_there_is_found(
    world: World, language: Language, scenario: str, expected: set[tuple[str, str]]
) -> None:
    assert told(world.has_value(language, scenario)) >= expected


@pytest.mark.parametrize(
    ("language", "scenario"),
    [
        *[("python", "wipes_what_it_had"), ("python", "lets_go_of_what_it_had")],
        *[("python", "is_cancelled_in_the_loop"), ("python", "is_cancelled_in_threads")],
        *[("python", "is_interrupted"), ("python", "is_dropped_in_the_middle")],
        *[("node", "wipes_what_it_had"), ("node", "lets_go_of_what_it_had")],
        *[("node", "is_dropped_in_the_middle"), ("node", "is_failed_in_the_middle")],
    ],
)
def test_a_value_that_was_let_go_of_is_gone(world: World, language: Language, scenario: str) -> None:
    assert world.has_value(language, scenario) == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        # Where the processor has AES, its first two round keys are the key itself.
        ("keeps_a_keyring", {("key", "octets")} | ({("seal key", "octets")} if has_aes() else set())),
        ("exports_a_keyring", {("key", "base64")}),
    ],
)
def test_a_key_that_is_there_is_found(
    world: World, language: Language, scenario: str, expected: set[tuple[str, str]]
) -> None:
    assert told(world.has_key(language, scenario)) >= expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_key_that_was_let_go_of_is_gone(world: World, language: Language) -> None:
    assert world.has_key(language, "lets_go_of_a_keyring") == []


# A search that can't be done proves nothing.


@pytest.mark.parametrize("language", LANGUAGES)
def test_memory_that_can_not_be_searched_fails_the_test(
    world: World, language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STRONGROOM_NO_HEAP", raising=False)
    monkeypatch.setattr(process, "why_not", lambda pid: "not here")
    with pytest.raises(pytest.fail.Exception, match=r"not here: .* STRONGROOM_NO_HEAP"):
        world.has_value(language, "is_failed_in_the_middle" if language == "node" else "is_interrupted")
    monkeypatch.setenv("STRONGROOM_NO_HEAP", "1")
    with pytest.raises(pytest.skip.Exception, match="not here"):
        world.has_value(language, "wipes_what_it_had")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_process_that_hangs_is_ended(world: World, language: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "TIMEOUT", 1)
    with pytest.raises(AssertionError, match="hangs said '' and not that it is ready"):
        world.has_value(language, "hangs")
