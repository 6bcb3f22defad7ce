"""A vault in one file: what it promises its owner, whatever happens to it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from fcntl import LOCK_EX, LOCK_UN, flock
from pathlib import Path
from typing import Any

import pytest

from behaviour import StoreBehaviour, append, commit, event, key, listed, loaded, places, put_new, record, told
from strongroom import Keyring, Vault, aio
from strongroom.errors import (
    InvalidArgumentError,
    KeyUnknownError,
    LimitExceededError,
    StorageFailedError,
    StrongroomError,
)
from strongroom.stores import FileStore
from strongroom.testing import check_store

KEYRING = Keyring.generate()


class TestFileStore(StoreBehaviour):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FileStore:
        return FileStore(tmp_path / "secrets.json.enc")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets.json.enc"


@pytest.fixture
def vault(path: Path) -> Vault:
    """A vault that has a secret."""
    vault = Vault(KEYRING, FileStore(path))
    vault.set("A", "sk_test_abc123", actor="alice")
    return vault


def value(path: Path, name: str = "A") -> str:
    return Vault(KEYRING, FileStore(path)).get(name, actor="alice").reveal()


def refused(run: Callable[[], object]) -> StrongroomError:
    """What the file failed with."""
    with pytest.raises(StorageFailedError) as caught:
        run()
    cause = caught.value.__cause__
    assert isinstance(cause, StrongroomError), cause
    assert "sk_test" not in str(cause)
    return cause


def test_the_kit_passes_a_file(path: Path) -> None:
    assert len(check_store(FileStore(path))) == 15


def test_the_file_and_its_lock_are_their_owner_s_alone_and_nothing_else_is_left(path: Path, vault: Vault) -> None:
    old = os.umask(0)
    try:
        vault.set("B", "sk_test_abc124", actor="alice")
        path.with_name("secrets.json.enc.lock").unlink()
        vault.set("C", "sk_test_abc125", actor="alice")
    finally:
        os.umask(old)
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["secrets.json.enc", "secrets.json.enc.lock"]
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()} == {0o600}


def test_what_is_read_needs_no_lock_and_leaves_no_file(path: Path) -> None:
    assert FileStore(path).load([]) == []
    assert list(path.parent.iterdir()) == []


def test_no_value_stands_in_the_file(path: Path, vault: Vault) -> None:
    assert "sk_test_abc123" not in path.read_text()
    assert json.loads(path.read_text())["format"] == "strongroom/document/v1"


def test_two_stores_see_each_other_s_changes(path: Path) -> None:
    one, other = FileStore(path), FileStore(path)
    put_new(one, key("A"))
    assert len(loaded(other, key("A"))) == 1
    assert commit(other, puts=[(record(key("A"), 2), {"revision": 1})]) == "committed"
    assert commit(one, puts=[(record(key("A"), 2), {"revision": 1})]) == "conflict"


def test_a_copy_that_is_put_back_is_read_though_the_store_has_seen_a_later_one(path: Path, vault: Vault) -> None:
    early = path.read_bytes()
    vault.set("A", "sk_test_abc124", actor="alice")
    assert vault.get("A", actor="alice").reveal() == "sk_test_abc124"
    path.write_bytes(early)
    assert vault.get("A", actor="alice").reveal() == "sk_test_abc123"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602, 0o610])
def test_a_file_that_others_can_read_or_write_is_refused(path: Path, vault: Vault, mode: int) -> None:
    content = path.read_bytes()
    path.chmod(mode)
    for run in (lambda: vault.get("A", actor="alice"), lambda: vault.set("A", "sk_test_abc124", actor="alice")):
        assert f"(mode {mode:o}): look at who did, then `chmod 600` it" in str(refused(run))
    assert path.read_bytes() == content
    path.chmod(0o600)
    assert value(path) == "sk_test_abc123"


def test_a_file_that_is_readable_to_its_owner_alone_is_replaced_all_the_same(path: Path, vault: Vault) -> None:
    path.chmod(0o400)
    vault.set("A", "sk_test_abc124", actor="alice")
    assert value(path) == "sk_test_abc124"


def make_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def make_dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o700)


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize("make", [make_link, make_dangling, make_folder, make_pipe])
def test_what_is_no_file_is_refused_and_stays(path: Path, vault: Vault, make: Callable[[Path], None]) -> None:
    make(path)
    kind = path.lstat().st_mode
    for run in (lambda: vault.get("A", actor="alice"), lambda: vault.set("A", "sk_test_abc124", actor="alice")):
        says = str(refused(run))
        assert "is no regular file" in says or "is a link: name the file that it leads to" in says
    assert path.lstat().st_mode == kind


@pytest.mark.parametrize("make", [make_link, make_folder, make_pipe])
def test_a_lock_that_is_no_file_is_refused(path: Path, vault: Vault, make: Callable[[Path], None]) -> None:
    make(path.with_name("secrets.json.enc.lock"))
    says = str(refused(lambda: vault.set("A", "sk_test_abc124", actor="alice")))
    assert "nothing was written" in says
    assert "it is no regular file" in says
    assert value_of_text(path) == "sk_test_abc123"


def value_of_text(path: Path) -> str:
    """From a copy: to get a value is to count it."""
    copy = path.with_name("copy")
    shutil.copy2(path, copy)
    return value(copy)


@pytest.mark.parametrize("cut", [0, 1, 45, 100, 118, 119, 500, -1, -2])
def test_a_file_that_was_cut_short_fails_to_load_and_is_left_as_it_is(path: Path, vault: Vault, cut: int) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    for run in (
        lambda: Vault(KEYRING, FileStore(path)).get("A", actor="alice"),
        lambda: Vault(KEYRING, FileStore(path)).set("B", "sk_test_abc124", actor="alice"),
    ):
        with pytest.raises(StorageFailedError, match=r"^Failed to load secrets: "):
            run()
        assert str(refused(run)).startswith("Failed to load secrets: ")
    assert path.read_bytes() == whole[:cut]
    path.write_bytes(whole)
    assert value(path) == "sk_test_abc123"


def test_another_content_under_the_same_head_is_not_taken_for_the_one_that_was_read(path: Path, vault: Vault) -> None:
    store = FileStore(path)
    assert len(loaded(store, {"kind": "head", "namespace": "", "name": "vault"})) == 1
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StorageFailedError, match="cut short"):
        store.load([])


def test_the_key_of_another_vault_is_said_to_be_unknown_and_nothing_changes(path: Path, vault: Vault) -> None:
    content = path.read_bytes()
    stranger = Vault(Keyring.generate(), FileStore(path))
    with pytest.raises(KeyUnknownError):
        stranger.get("A", actor="alice")
    with pytest.raises(KeyUnknownError):
        stranger.set("A", "sk_test_abc124", actor="alice")
    assert path.read_bytes() == content


def test_a_lock_that_another_holds_is_waited_for_and_then_an_error(path: Path, vault: Vault) -> None:
    content = path.read_bytes()
    with path.with_name("secrets.json.enc.lock").open() as held:
        flock(held, LOCK_EX)
        hasty = Vault(KEYRING, FileStore(path, lock_timeout=0.05))
        says = str(refused(lambda: hasty.set("A", "sk_test_abc124", actor="alice")))
        assert "nothing was written: another process has held the lock" in says
        assert path.read_bytes() == content
        timer = threading.Timer(0.2, lambda: flock(held, LOCK_UN))
        timer.start()
        vault.set("A", "sk_test_abc125", actor="alice")
        timer.join()
    assert value(path) == "sk_test_abc125"


def test_a_document_that_somebody_else_has_locked_is_waited_for_too(path: Path, vault: Vault) -> None:
    content = path.read_bytes()
    with path.open() as held:
        flock(held, LOCK_EX)
        hasty = Vault(KEYRING, FileStore(path, lock_timeout=0.05))
        says = str(refused(lambda: hasty.set("A", "sk_test_abc124", actor="alice")))
        assert f'another process has held the lock "{path}"' in says
        assert path.read_bytes() == content
    vault.set("A", "sk_test_abc124", actor="alice")


def whose(path: Path) -> tuple[int, int, int]:
    return path.stat().st_uid, path.stat().st_gid, path.stat().st_mode


@pytest.mark.parametrize("content", ["", "mine"])
def test_a_lock_with_a_second_name_works_and_that_file_stays_as_it_is(path: Path, vault: Vault, content: str) -> None:
    theirs, lock = path.with_name("theirs"), path.with_name("secrets.json.enc.lock")
    theirs.write_text(content)
    lock.unlink()
    lock.hardlink_to(theirs)
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    before = whose(theirs)
    vault.set("A", "sk_test_abc124", actor="alice")
    assert value(path) == "sk_test_abc124"
    assert (whose(theirs), theirs.read_text()) == (before, content)


def test_a_failure_that_is_known_to_have_changed_nothing_is_told_as_one(path: Path, vault: Vault) -> None:
    with path.with_name("secrets.json.enc.lock").open() as held:
        flock(held, LOCK_EX)
        with pytest.raises(StorageFailedError, match="the store failed and applied nothing"):
            Vault(KEYRING, FileStore(path, lock_timeout=0)).set("A", "sk_test_abc124", actor="alice")


def test_a_vault_that_grows_too_long_is_refused_and_the_last_content_stays(path: Path, vault: Vault) -> None:
    bounded = Vault(KEYRING, FileStore(path, limit=path.stat().st_size + 100))
    cause = refused(lambda: bounded.set("B", "sk_test_abc124", actor="alice"))
    assert isinstance(cause, LimitExceededError)
    assert "raise the limit, or move the vault to a database" in str(cause)
    assert value(path) == "sk_test_abc123"
    cause = refused(lambda: Vault(KEYRING, FileStore(path, limit=1000)).get("A", actor="alice"))
    assert isinstance(cause, LimitExceededError)


def test_what_killed_writers_left_goes_with_the_next_write_and_what_is_not_theirs_stays(
    path: Path, vault: Vault
) -> None:
    left = path.with_name(f"{path.name}.{'0a' * 16}.new")
    theirs = [
        path.with_name(f"{path.name}.{name}") for name in ("new", f"{'0A' * 16}.new", f"{'0a' * 16}.new.1", "bak")
    ]
    held = path.with_name(f"{path.name}.{'0b' * 16}.new")
    for each in (left, held, *theirs):
        each.write_text("")
    folder = path.with_name(f"{path.name}.{'0c' * 16}.new")
    folder.mkdir()
    with held.open() as lively:
        flock(lively, LOCK_EX)
        vault.set("A", "sk_test_abc124", actor="alice")
    assert not left.exists()
    assert held.exists()
    assert folder.exists()
    assert all(each.exists() for each in theirs)


def test_a_lock_that_was_deleted_while_it_was_waited_for_lets_nobody_pass_it_by(path: Path, vault: Vault) -> None:
    lock = path.with_name("secrets.json.enc.lock")
    with lock.open() as held:
        flock(held, LOCK_EX)
        thread = threading.Thread(target=lambda: vault.set("A", "sk_test_abc124", actor="alice"))
        thread.start()
        lock.unlink()
        thread.join()
    assert value(path) == "sk_test_abc124"


def test_threads_lose_nothing(path: Path) -> None:
    store = FileStore(path)
    vault = Vault(KEYRING, store)
    vault.set("A", "sk_test_abc123", actor="alice")

    def work(number: int) -> None:
        for turn in range(5):
            vault.set(f"N{number}_{turn}", "sk_test_abc123", actor="alice")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(vault.list(actor="alice")) == 21
    assert vault.verify_audit(actor="alice").events > 0


def test_a_vault_of_asyncio_works_on_it(path: Path) -> None:
    async def main() -> str:
        vault = aio.Vault(KEYRING, FileStore(path))
        await vault.set("A", "sk_test_abc123", actor="alice")
        await asyncio.gather(*(vault.set(f"B{each}", "sk_test_abc123", actor="alice") for each in range(5)))
        return (await vault.get("A", actor="alice")).reveal()

    assert asyncio.run(main()) == "sk_test_abc123"


def test_the_path_counts_from_the_folder_of_its_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = FileStore("secrets.json.enc")
    monkeypatch.chdir("/")
    put_new(store, key("A"))
    assert (tmp_path / "secrets.json.enc").exists()


@pytest.mark.parametrize("path", ["", "/", ".."])
def test_a_path_without_a_name_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgumentError, match="no file's name"):
        FileStore(path)


@pytest.mark.parametrize(
    "options", [{"lock_timeout": -1}, {"lock_timeout": float("nan")}, {"limit": -1}, {"limit": True}]
)
def test_limits_out_of_range_are_refused(path: Path, options: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        FileStore(path, **options)


def test_root_s_changes_leave_the_file_and_its_lock_to_its_owner(path: Path, vault: Vault) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can write as somebody else")
    os.chown(path, 65534, 65534)
    lock = path.with_name("secrets.json.enc.lock")
    lock.unlink()
    vault.set("A", "sk_test_abc124", actor="alice")
    for each in (path, lock):
        assert (each.stat().st_uid, each.stat().st_gid) == (65534, 65534), each


def test_root_s_next_change_gives_a_lock_that_stayed_root_s_to_the_owner(path: Path, vault: Vault) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can write as somebody else")
    os.chown(path, 65534, 65534)
    lock = path.with_name("secrets.json.enc.lock")
    assert whose(lock)[:2] == (0, 0)
    vault.set("A", "sk_test_abc124", actor="alice")
    assert whose(lock) == (65534, 65534, stat.S_IFREG | 0o600)


@pytest.mark.parametrize(("owner", "content"), [(0, "root's own"), (65533, "")])
def test_what_is_no_lock_of_root_s_keeps_its_owner_in_a_lock_s_place(
    path: Path, vault: Vault, owner: int, content: str
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can write as somebody else")
    os.chown(path, 65534, 65534)
    lock = path.with_name("secrets.json.enc.lock")
    lock.write_text(content)
    os.chown(lock, owner, owner)
    vault.set("A", "sk_test_abc124", actor="alice")
    assert whose(lock)[:2] == (owner, owner)
    assert lock.read_text() == content


READ_ONLY = """
import os, sys
from strongroom import Keyring, Vault
from strongroom.stores import FileStore
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
vault = Vault(Keyring.parse(sys.argv[1]), FileStore(sys.argv[2]))
print(vault.exists("A", actor="alice"))
try:
    vault.set("A", "sk_test_abc124", actor="alice")
except Exception as error:
    print(type(error).__name__, error.__cause__)
"""


def test_in_a_folder_that_may_not_be_written_to_it_is_read_and_not_written(path: Path, vault: Vault) -> None:
    content = path.read_bytes()
    if os.geteuid() == 0:
        for each in path.parent.iterdir():
            os.chown(each, 65534, 65534)
        # On the way to it there are folders that are root's alone.
        for folder in path.parents:
            if stat.S_IMODE(folder.stat().st_mode) & 0o5 != 0o5:
                folder.chmod(0o755)
    path.with_name("secrets.json.enc.lock").unlink()
    path.parent.chmod(0o555)
    try:
        run = subprocess.run(
            [sys.executable, "-c", READ_ONLY, KEYRING.dangerous_export(), path],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    finally:
        path.parent.chmod(0o755)
    read, written = run.stdout.splitlines()
    assert read == "True"
    assert written.startswith("StorageFailedError nothing was written: the lock ")
    assert "Permission denied" in written
    assert path.read_bytes() == content


class TestBackup:
    @pytest.fixture
    def store(self, path: Path, vault: Vault) -> FileStore:
        return FileStore(path)

    def test_a_backup_is_the_same_and_as_private_and_cp_puts_it_back(
        self, path: Path, vault: Vault, store: FileStore
    ) -> None:
        to = path.with_name("backup")
        sha256 = store.backup(to)
        assert to.read_bytes() == path.read_bytes()
        assert json.loads(to.read_text())["sha256"] == sha256
        assert stat.S_IMODE(to.stat().st_mode) == 0o600
        assert to.stat().st_nlink == 1
        vault.set("A", "sk_test_abc124", actor="alice")
        subprocess.run(["cp", to, path], check=True)
        assert vault.get("A", actor="alice").reveal() == "sk_test_abc123"
        assert not [entry for entry in path.parent.iterdir() if entry.name.endswith(".new")]

    def test_what_is_there_already_stays_unless_it_may_be_replaced(self, path: Path, store: FileStore) -> None:
        to = path.with_name("backup")
        to.write_text("mine")
        with pytest.raises(InvalidArgumentError, match="is there already"):
            store.backup(to)
        assert to.read_text() == "mine"
        store.backup(to, replace=True)
        assert to.read_bytes() == path.read_bytes()

    def test_a_folder_or_the_file_itself_is_never_replaced(self, path: Path, store: FileStore) -> None:
        content = path.read_bytes()
        for to in (path.parent, path, path.parent / "." / path.name):
            with pytest.raises(InvalidArgumentError):
                store.backup(to, replace=True)
        assert path.read_bytes() == content

    def test_a_file_that_is_not_whole_or_not_there_is_not_backed_up(self, path: Path, store: FileStore) -> None:
        to = path.with_name("backup")
        path.write_bytes(path.read_bytes()[:-5])
        with pytest.raises(StorageFailedError, match=r"^Failed to load secrets: .* cut short"):
            store.backup(to)
        path.unlink()
        with pytest.raises(StorageFailedError, match=r"^Failed to load secrets: .* is not there"):
            store.backup(to)
        assert not to.exists()

    def test_a_file_that_others_can_read_is_not_backed_up(self, path: Path, store: FileStore) -> None:
        path.chmod(0o644)
        with pytest.raises(StorageFailedError, match="chmod 600"):
            store.backup(path.with_name("backup"))

    def test_a_folder_that_is_not_there_is_an_error(self, path: Path, store: FileStore) -> None:
        with pytest.raises(StorageFailedError, match="nothing was written"):
            store.backup(path.parent / "nowhere" / "backup")


def test_events_stay_in_the_order_of_their_commits(path: Path) -> None:
    append(FileStore(path), event("b", 1), event("a", 2), event("a", 1))
    assert places(told(FileStore(path), "latest")) == [("a", 1), ("a", 2), ("b", 1)]
    assert listed(FileStore(path)) == [[]]
