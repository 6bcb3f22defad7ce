"""A backend that encrypts its users' API keys with Fernet, moved over by one changed import.

`fernet/key_encryption.txt` holds its class, as it was printed.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

import pytest
from cryptography import fernet as theirs

from fernet.with_our_import import run, source_of, with_our_import
from strongroom import Keyring
from strongroom import fernet as ours
from strongroom.errors import NotConfiguredError

FILE = "key_encryption.txt"
SHA256 = "3ea537389a181b1dce438acb8d425a357721dce47db9a6381c82d175a9d46432"
API_KEY = "sk-proj-abc123..."
# What the printed class leaves to its reader.
IMPORTS: dict[str, Any] = {"os": os, "Optional": Optional}


def key_encryption_over(module: Any) -> Any:
    source = source_of(FILE, SHA256)
    names = run(with_our_import(source) if module is ours else source, "services.encryption", FILE, **IMPORTS)
    assert names["Fernet"] is module.Fernet
    return names["KeyEncryption"]


Ours, Theirs = key_encryption_over(ours), key_encryption_over(theirs)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    made: str = Ours.generate_key()
    monkeypatch.setenv("ENCRYPTION_KEY", made)
    return made


@pytest.mark.parametrize("reads", [Ours, Theirs], ids=["read by ours", "read by theirs"])
@pytest.mark.parametrize("writes", [Ours, Theirs], ids=["written by ours", "written by theirs"])
def test_an_api_key_goes_into_a_table_and_comes_out_in_another_process_s_object(
    writes: Any, reads: Any, key: str, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "backend.db") as table:
        table.execute("CREATE TABLE api_keys (user_id TEXT, provider TEXT, encrypted_key TEXT NOT NULL)")
        encrypted = writes().encrypt(API_KEY)
        assert isinstance(encrypted, str)
        assert API_KEY not in encrypted
        table.execute("INSERT INTO api_keys VALUES ('alice', 'openai', ?)", [encrypted])
        (stored,) = table.execute("SELECT encrypted_key FROM api_keys").fetchone()
        assert reads().decrypt(stored) == API_KEY
        assert reads(key).decrypt(stored) == reads(key.encode()).decrypt(stored) == API_KEY
        assert reads().decrypt(stored.encode()) == API_KEY
        assert Keyring.from_env().decrypt(stored).decode() == API_KEY
    with pytest.raises(theirs.InvalidToken):
        reads(reads.generate_key()).decrypt(stored)


@pytest.mark.parametrize("text", ["", "ключ 🔑", "x" * 100_000])
def test_any_text_comes_back(text: str, key: str) -> None:
    assert Theirs(key).decrypt(Ours(key).encrypt(text)) == Ours(key).decrypt(Theirs(key).encrypt(text)) == text


def test_the_printed_command_makes_a_key_for_either_module() -> None:
    command = "from strongroom.fernet import Fernet; print(Fernet.generate_key().decode())"
    made = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.strip()
    assert Theirs(made).decrypt(Ours(made).encrypt(API_KEY)) == API_KEY


def test_keys_are_rotated_with_both_readable_until_all_is_encrypted_anew() -> None:
    old, new = (ours.Fernet(ours.Fernet.generate_key()) for _ in range(2))
    both = ours.MultiFernet([new, old])
    rows = [old.encrypt(API_KEY.encode()) for _ in range(10)]
    assert {both.decrypt(row) for row in rows} == {API_KEY.encode()}
    assert {new.decrypt(both.rotate(row)) for row in rows} == {API_KEY.encode()}


def test_without_a_key_the_class_makes_one_up_and_a_keyring_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENCRYPTION_KEY", raising=False)
    monkeypatch.delenv("ENCRYPTION_KEY_FILE", raising=False)
    lost = Ours().encrypt(API_KEY)
    with pytest.raises(ours.InvalidToken):
        Ours().decrypt(lost)
    with pytest.raises(NotConfiguredError):
        Keyring.from_env()
