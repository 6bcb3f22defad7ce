"""A file's writer killed with -9 at every system call of a change, and every error that the system can give it there.

strace does both. It counts a process's calls, so one run that ends well tells which calls a change makes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom import Keyring, Vault
from strongroom.stores import FileStore

KEYRING = Keyring.generate()

BEGIN, END = "/strongroom-begins", "/strongroom-ends"

CHILD = f"""
import os, sys
from strongroom import Keyring, Vault
from strongroom.stores import FileStore

what, key, path = sys.argv[1:]
store = FileStore(path)
vault = Vault(Keyring.parse(key), store)
os.access("{BEGIN}", os.F_OK)
try:
    if what == "set":
        vault.set("A", "sk_test_new", actor="alice")
    else:
        store.backup(path + ".backup", replace=True)
    said = "done"
except Exception as error:
    said = f"{{type(error).__name__}}: {{error}}: {{error.__cause__}}"
os.access("{END}", os.F_OK)
print(said)
"""

# How many a process makes of these before the change is not the same every time.
UNSTEADY = {"brk", "futex", "madvise", "mmap", "mprotect", "mremap", "munmap", "rt_sigaction", "rt_sigprocmask"}


@pytest.fixture(scope="module", autouse=True)
def strace() -> None:
    if shutil.which("strace") is None:
        pytest.fail("strace is missing: run scripts/setup.sh services")
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.fail(f"strace may not trace here, and these tests need it (ptrace is not permitted?): {tried.stderr}")


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a vault and an old backup, to be copied."""
    folder = tmp_path_factory.mktemp("master")
    store = FileStore(folder / "vault")
    vault = Vault(KEYRING, store)
    vault.set("A", "sk_test_old", actor="alice")
    store.backup(folder / "vault.backup")
    vault.set("B", "sk_test_other", actor="alice")
    return folder


def copied(master: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(master, to)
    return to / "vault"


def run(what: str, path: Path, *inject: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    trace = path.parent.with_name("trace")
    command = [
        "strace",
        "-o",
        str(trace),
        *inject,
        sys.executable,
        "-c",
        CHILD,
        what,
        KEYRING.dangerous_export(),
        str(path),
    ]
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return ended, trace.read_text(errors="replace").splitlines()


def calls(trace: list[str]) -> list[tuple[str, int, str]]:
    """The system calls of the change: the name, the how manieth of it in the process, and the line."""
    counted: dict[str, int] = {}
    found, is_within = [], False
    for line in trace:
        named = re.match(r"(\w+)\(", line)
        if named is None:
            continue
        name = named[1]
        counted[name] = counted.get(name, 0) + 1
        if BEGIN in line or END in line:
            is_within = BEGIN in line
        elif is_within and name not in UNSTEADY:
            found.append((name, counted[name], line))
    return found


def of_change(what: str, master: Path, tmp_path: Path) -> list[tuple[str, int, str]]:
    ended, trace = run(what, copied(master, tmp_path / "counting"))
    assert ended.stdout == "done\n", ended
    found = calls(trace)
    names = {name for name, _, _ in found}
    assert {"openat", "write", "fsync", "rename"} <= names, names
    return found


def check_vault(path: Path) -> str:
    """The vault is whole, the next write works and clears up. Gives the value that was found."""
    vault = Vault(KEYRING, FileStore(path, lock_timeout=1))
    value = vault.get("A", actor="alice").reveal()
    assert vault.get("B", actor="alice").reveal() == "sk_test_other"
    vault.set("A", "sk_test_next", actor="alice")
    assert vault.get("A", actor="alice").reveal() == "sk_test_next"
    assert vault.verify_audit(actor="alice").events > 0
    left = {entry.name for entry in path.parent.iterdir()} - {
        "vault",
        "vault.lock",
        "vault.backup",
        "vault.backup.lock",
    }
    assert {name for name in left if name.startswith("vault.") and not name.startswith("vault.backup.")} == set()
    return value


def check_backup(path: Path) -> None:
    backup = path.with_name("vault.backup")
    assert Vault(KEYRING, FileStore(backup)).get("A", actor="alice").reveal() == "sk_test_old"
    FileStore(path).backup(backup, replace=True)
    left = [entry.name for entry in path.parent.iterdir() if entry.name.endswith(".new")]
    assert left == []


@pytest.mark.parametrize("what", ["set", "backup"])
def test_killed_at_any_system_call_a_writer_leaves_the_old_or_the_new(what: str, master: Path, tmp_path: Path) -> None:
    found = of_change(what, master, tmp_path)
    values = []
    for name, which, line in found:
        path = copied(master, tmp_path / "killed")
        ended, trace = run(what, path, "-e", f"inject={name}:signal=SIGKILL:when={which}")
        assert ended.stdout == "", (line, ended)
        assert any(BEGIN in line for line in trace), ("killed too early", line, ended, trace[-3:])
        assert trace[-1] == "+++ killed by SIGKILL +++"
        if what == "set":
            values.append(check_vault(path))
        else:
            check_backup(path)
            check_vault(path)
    assert set(values) == ({"sk_test_old", "sk_test_new"} if what == "set" else set())
    # Once it is new it stays new: there is one moment.
    assert values == sorted(values, reverse=True)


ERRORS = {"openat": "EACCES", "write": "ENOSPC", "fsync": "EIO", "rename": "EACCES", "flock": "ENOLCK", "read": "EIO"}


def test_an_error_at_any_system_call_is_told_and_leaves_the_old_or_is_overcome(master: Path, tmp_path: Path) -> None:
    told = []
    for name, which, line in of_change("set", master, tmp_path):
        if name not in ERRORS:
            continue
        path = copied(master, tmp_path / "failing")
        content = path.read_bytes()
        ended, _ = run("set", path, "-e", f"inject={name}:error={ERRORS[name]}:when={which}")
        if ended.stdout == "done\n":
            assert check_vault(path) == "sk_test_new", line
            continue
        assert "StorageFailedError" in ended.stdout, (line, ended)
        assert "(os error" in ended.stdout, (line, ended)
        assert path.read_bytes() == content, line
        assert not [entry for entry in path.parent.iterdir() if entry.name.endswith(".new")], line
        assert check_vault(path) == "sk_test_old", line
        told.append((name, ended.stdout))
    for name in ("write", "rename", "fsync"):
        assert any(
            of == name and "nothing was written, and what was there is as it was" in said for of, said in told
        ), name


def test_a_folder_that_can_not_be_synced_leaves_it_unknown_and_the_next_ask_finds_out(
    master: Path, tmp_path: Path
) -> None:
    *_, (name, which, _) = (call for call in of_change("set", master, tmp_path) if call[0] == "fsync")
    path = copied(master, tmp_path / "once")
    ended, _ = run("set", path, "-e", f"inject={name}:error=EIO:when={which}")
    assert ended.stdout == "done\n"
    path = copied(master, tmp_path / "always")
    ended, _ = run("set", path, "-e", f"inject={name}:error=EIO:when={which}+")
    assert "it is not known whether the change was applied" in ended.stdout
    assert "not yet so that it outlives a crash of the machine" in ended.stdout
    assert check_vault(path) == "sk_test_new"


def test_a_rename_that_may_have_happened_all_the_same_leaves_it_unknown_and_the_next_ask_finds_out(
    master: Path, tmp_path: Path
) -> None:
    path = copied(master, tmp_path / "once")
    ended, _ = run("set", path, "-e", "inject=rename:error=EIO:when=1")
    assert ended.stdout == "done\n"
    path = copied(master, tmp_path / "always")
    ended, _ = run("set", path, "-e", "inject=rename:error=EIO")
    assert "it is not known whether the change was applied" in ended.stdout
    assert "it is not known whether the file was replaced" in ended.stdout
    assert check_vault(path) == "sk_test_old"


def test_a_file_that_may_grow_no_longer_leaves_the_old(master: Path, tmp_path: Path) -> None:
    path = copied(master, tmp_path / "limited")
    content = path.read_bytes()
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({len(content)}, {len(content)}))\n{CHILD}"
    ended = subprocess.run(
        [sys.executable, "-c", limited, "set", KEYRING.dangerous_export(), path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "nothing was written, and what was there is as it was" in ended.stdout, ended
    assert path.read_bytes() == content
    assert check_vault(path) == "sk_test_old"


ON_A_SMALL_DISK = """
mount -t tmpfs -o size=1m tmpfs "$1" || exit 77
cp -r "$2"/. "$1" && head -c 2000000 /dev/zero > "$1/filling" 2> /dev/null
before=$(sha256sum < "$1/vault")
"$3" -c "$4" set "$5" "$1/vault"
[ "$before" = "$(sha256sum < "$1/vault")" ] && rm "$1/filling" && "$3" -c "$4" set "$5" "$1/vault" && ls "$1"
"""


def test_on_a_full_disk_the_old_stays_and_once_there_is_room_the_next_write_works(master: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    arguments = [str(disk), str(master), sys.executable, CHILD, KEYRING.dangerous_export()]
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    ended = subprocess.run(
        [*unshare, "sh", "-c", ON_A_SMALL_DISK, "sh", *arguments], capture_output=True, text=True, check=False
    )
    if ended.returncode in (1, 77) and "permitted" in ended.stderr:
        pytest.skip(f"no small disk may be mounted here: {ended.stderr}")
    first, *rest = ended.stdout.splitlines()
    assert "No space left on device" in first, ended
    assert "nothing was written, and what was there is as it was" in first
    assert rest == ["done", "vault", "vault.backup", "vault.lock"], ended
