"""Two processes that write one file while somebody deletes the lock between them, or puts another file in place.

strace stops one of them when its new content is written and has not taken the name yet.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from strongroom import Keyring, Vault
from strongroom.stores import FileStore

KEYRING = Keyring.generate()

WRITER = """
import os, sys
from strongroom import Keyring, Vault
from strongroom.stores import FileStore

key, path, name = sys.argv[1:]
vault = Vault(Keyring.parse(key), FileStore(path, lock_timeout=0.3))
print(os.getpid(), flush=True)
try:
    print("done, version", vault.set(name, "sk_test_" + name, actor=name).version)
except Exception as error:
    print(f"{error}: {error.__cause__}")
"""


@pytest.fixture(scope="module", autouse=True)
def strace() -> None:
    if shutil.which("strace") is None:
        pytest.fail("strace is missing: run scripts/setup.sh services")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "vault"
    folder.mkdir()
    return folder / "secrets.json.enc"


@pytest.fixture
def vault(path: Path) -> Vault:
    """A vault that has a secret."""
    vault = Vault(KEYRING, FileStore(path))
    vault.set("A", "sk_test_first", actor="alice")
    return vault


def writer(path: Path, name: str) -> list[str]:
    return [sys.executable, "-c", WRITER, KEYRING.dangerous_export(), str(path), name]


def written(path: Path, name: str) -> str:
    """What another process says that sets a secret."""
    ended = subprocess.run(writer(path, name), capture_output=True, text=True, check=True)
    return ended.stdout.splitlines()[1]


class Stopped:
    """A process that sets a secret and was stopped on the way."""

    said = ""


@contextmanager
def stopped(path: Path, name: str) -> Iterator[Stopped]:
    """At the end of the block it goes on, and says what came of it."""
    trace, process = path.parent.with_name("trace"), Stopped()
    # The first `fsync` is that of the new content; the second one, after the rename, the folder's.
    command = ["strace", "-o", str(trace), "-e", "trace=fsync", "-e", "inject=fsync:signal=SIGSTOP:when=1"]
    with subprocess.Popen([*command, *writer(path, name)], stdout=subprocess.PIPE, text=True) as traced:
        assert traced.stdout is not None
        pid = int(traced.stdout.readline())
        while "stopped by SIGSTOP" not in trace.read_text():
            assert traced.poll() is None
            time.sleep(0.01)
        try:
            yield process
        finally:
            os.kill(pid, signal.SIGCONT)
        process.said = traced.stdout.read().strip()


def lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def names(path: Path) -> list[str]:
    vault = Vault(KEYRING, FileStore(path))
    assert vault.verify_audit(actor="alice").events > 0
    return [item.name for item in vault.list(actor="alice")]


def test_who_makes_a_new_lock_still_waits_for_the_one_who_writes(path: Path, vault: Vault) -> None:
    with stopped(path, "B") as process:
        lock_of(path).unlink()
        said = written(path, "C")
    assert "nothing was written: another process has held the lock" in said
    assert process.said == "done, version 1"
    assert written(path, "C") == "done, version 1"
    assert names(path) == ["A", "B", "C"]


def test_of_two_who_make_the_document_one_begins_again(path: Path) -> None:
    with stopped(path, "B") as process:
        lock_of(path).unlink()
        assert written(path, "C") == "done, version 1"
    assert process.said == "done, version 1"
    assert names(path) == ["B", "C"]
    assert path.stat().st_nlink == 1


def test_what_another_program_made_meanwhile_is_not_written_over(path: Path) -> None:
    other = path.with_name("other")
    Vault(KEYRING, FileStore(other)).set("A", "sk_test_first", actor="alice")
    with stopped(path, "B") as process:
        other.rename(path)
    assert process.said == "done, version 1"
    assert names(path) == ["A", "B"]


def test_a_copy_that_was_put_back_meanwhile_is_not_written_over(path: Path, vault: Vault) -> None:
    copy = path.with_name("copy")
    FileStore(path).backup(copy)
    vault.set("LATER", "sk_test_later", actor="alice")
    with stopped(path, "B") as process:
        copy.rename(path)
    assert process.said == "done, version 1"
    assert names(path) == ["A", "B"]


def test_who_finds_the_lock_deleted_writes_nothing_and_begins_again(path: Path, vault: Vault) -> None:
    trace = path.parent.with_name("trace")
    with stopped(path, "B") as process:
        lock_of(path).unlink()
    assert process.said == "done, version 1"
    assert trace.read_text().count("fsync(") == 3, "the content that was given up, the one that was not, and the folder"
    assert names(path) == ["A", "B"]
