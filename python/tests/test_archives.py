"""Export and import as age files, with Debian's `age` on the other side."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import pty
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom import Actor, Keyring, Secret, Vault, aio
from strongroom.errors import (
    BackupInvalidError,
    InvalidArgumentError,
    LimitExceededError,
    NameInvalidError,
    PermissionDeniedError,
    SecretExistsError,
    SecretNotFoundError,
    StrongroomError,
    ValueInvalidError,
)
from strongroom.stores import MemoryStore, SQLiteStore
from test_vault import VAULTS

CANARY = "canary-7f3a9c51e2-plaintext"
PASSPHRASE = "correct horse battery staple"


@pytest.fixture(params=["sync", "asyncio through"])
def make(request: pytest.FixtureRequest) -> Callable[[], Vault]:
    return lambda: VAULTS[request.param](Keyring.generate(), MemoryStore())


@pytest.fixture
def source(make: Callable[[], Vault]) -> Vault:
    return filled(make())


def filled(vault: Vault) -> Vault:
    vault.set("A", "a one", actor="alice", sensitivity="critical", notify=["ops"], generator="uuid")
    vault.rotate("A", CANARY, actor="alice", grace=timedelta(days=7), expires_in=timedelta(days=30))
    vault.set("B", b"\x00\xff binary", actor="alice", namespace="app")
    vault.disable("B", actor="alice", namespace="app")
    vault.set("GONE", "gone", actor="alice")
    vault.delete("GONE", actor="alice")
    vault.set("GONE", "back", actor="alice")
    return vault


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("age") / "key.txt"
    subprocess.run(["age-keygen", "-o", path], check=True, capture_output=True)
    return path


@pytest.fixture(scope="session")
def recipient(key_file: Path) -> str:
    return subprocess.run(["age-keygen", "-y", key_file], check=True, capture_output=True, text=True).stdout.strip()


def age(*arguments: str | Path, given: bytes = b"") -> bytes:
    return subprocess.run(["age", *arguments], input=given, check=True, capture_output=True).stdout


def age_at_a_terminal(passphrase: str, *arguments: str | Path) -> None:
    """Runs `age` where it asks for a passphrase: a terminal of its own."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp("age", ["age", *map(str, arguments)])  # noqa: S606
    said = b""
    asked = 0
    while True:
        try:
            read = os.read(terminal, 1024)
        except OSError:
            break
        if not read:
            break
        said += read
        if said.count(b"passphrase") > asked and said.rstrip().endswith(b":"):
            asked = said.count(b"passphrase")
            time.sleep(0.1)
            os.write(terminal, f"{passphrase}\n".encode())
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, said


# What an archive says, and how to make one that says something else.


def parts(text: bytes) -> tuple[dict[str, Any], list[bytes]]:
    header, _, body = text.rstrip(b"\n").partition(b"\n")
    return json.loads(header), body.split(b"\n")


def joined(header: dict[str, Any], lines: list[bytes]) -> bytes:
    body = b"".join(line + b"\n" for line in lines)
    header = {**header, "bytes": len(body), "digest": hashlib.sha256(body).hexdigest()}
    return json.dumps(header).encode() + b"\n" + body


def told(vault: Vault, name: str, namespace: str = "default") -> list[Any]:
    versions = vault.versions(name, actor="alice", namespace=namespace)
    return [(each.number, each.at, each.by, each.reason, each.valid_until) for each in versions]


# There and back.


def test_a_vault_goes_to_another_with_values_versions_settings_and_history(
    make: Callable[[], Vault], source: Vault, key_file: Path, recipient: str
) -> None:
    data = source.export(actor="alice", recipients=[recipient])
    target = make()
    report = target.import_(data, actor="bob", identities=[key_file.read_text()])
    assert [(each.namespace, each.name, each.outcome, each.version) for each in report.secrets] == [
        ("app", "B", "created", 1),
        ("default", "A", "created", 2),
        ("default", "GONE", "created", 1),
    ]
    assert (report.dry_run, report.vault_id) == (False, source.verify_audit(actor="alice").vault_id)
    assert abs(report.exported_at.timestamp() - time.time()) < 600
    assert target.get("A", actor="bob").reveal() == CANARY
    assert target.enable("B", actor="bob", namespace="app")
    assert target.get("B", actor="bob", namespace="app").reveal_bytes() == b"\x00\xff binary"
    assert told(target, "A") == told(source, "A")
    assert target.verify("A", "a one", actor="bob").matches == "previous"
    states = [asdict(each) for each in target.rotation_status(actor="bob").secrets]
    assert states == [asdict(each) for each in source.rotation_status(actor="alice").secrets]
    assert target.rotate("A", actor="bob").version == 3  # By the generator that came along.
    history = target.audit("GONE", actor="bob")
    assert [(each.action, each.actor) for each in reversed(history)] == [
        ("set", "alice"),
        ("delete", "alice"),
        ("set", "alice"),
        ("export", "alice"),
        ("import_history", "bob"),
        ("set", "bob"),
    ]
    assert report.events == 10
    target.verify_audit(actor="bob")
    source.verify_audit(actor="alice")


def test_a_passphrase_opens_what_it_was_exported_for_as_text_too(make: Callable[[], Vault], source: Vault) -> None:
    data = source.export(actor="alice", passphrase=PASSPHRASE, armor=True, names=["A"], history=False)
    assert data.startswith(b"-----BEGIN AGE ENCRYPTED FILE-----\n")
    report = make().import_(data.decode(), actor="bob", passphrase=Secret(PASSPHRASE))
    assert ([each.name for each in report.secrets], report.events) == (["A"], 0)


def test_names_and_a_namespace_choose_what_is_exported(source: Vault, recipient: str, key_file: Path) -> None:
    def names(**chosen: Any) -> list[str]:
        text = age("-d", "-i", key_file, given=source.export(actor="alice", recipients=[recipient], **chosen))
        return [json.loads(line)["name"] for line in parts(text)[1] if line.startswith(b'{"namespace"')]

    assert names(namespace="app") == ["B"]
    assert names(names=["GONE", "A"]) == ["A", "GONE"]
    assert names(namespace="app", names=["B"]) == ["B"]
    with pytest.raises(SecretNotFoundError):
        source.export(actor="alice", recipients=[recipient], names=["NOWHERE", "A"])
    with pytest.raises(InvalidArgumentError):
        source.export(actor="alice", recipients=[recipient], names=[])
    with pytest.raises(InvalidArgumentError, match="list, not one text"):
        source.export(actor="alice", recipients=[recipient], names="A")


def test_conflicts_fail_are_skipped_or_replaced(
    make: Callable[[], Vault], source: Vault, key_file: Path, recipient: str
) -> None:
    data = source.export(actor="alice", recipients=[recipient])
    target = make()
    target.set("A", "mine", actor="bob")
    target.set("GONE", "back", actor="bob")
    identities = [key_file.read_bytes()]
    with pytest.raises(SecretExistsError):
        target.import_(data, actor="bob", identities=identities)
    before = target.audit(actor="bob", limit=1)
    dry = target.import_(data, actor="bob", identities=identities, dry_run=True)
    assert [(each.outcome, each.code, each.version) for each in dry.secrets] == [
        ("created", None, 1),
        ("refused", "SECRET_EXISTS", None),
        ("refused", "SECRET_EXISTS", None),
    ]
    asked, _, earlier = target.audit(actor="bob", limit=3)
    assert (asked.action, asked.reason, earlier) == ("import", None, before[0])
    for how, outcomes in [
        ("skip", ["created", "skipped", "skipped"]),
        ("replace", ["skipped", "replaced", "unchanged"]),
    ]:
        options: dict[str, Any] = {"actor": "bob", "identities": identities, "on_conflict": how}
        if how == "replace":
            target.delete("B", actor="bob", namespace="app")
            outcomes[0] = "created"
        assert [each.outcome for each in target.import_(data, **options, dry_run=True).secrets] == outcomes
        assert [each.outcome for each in target.import_(data, **options).secrets] == outcomes
    assert target.get("A", actor="bob").reveal() == CANARY
    assert target.versions("A", actor="bob")[0].reason == "import"
    target.verify_audit(actor="bob")
    with pytest.raises(InvalidArgumentError):
        target.import_(data, actor="bob", identities=identities, on_conflict="overwrite")  # type: ignore[arg-type]


# With the stock age.


def test_age_opens_what_is_exported_for_its_key(source: Vault, key_file: Path, recipient: str, tmp_path: Path) -> None:
    for armor in (False, True):
        file = tmp_path / "backup.age"
        file.write_bytes(source.export(actor="alice", recipients=[recipient], armor=armor))
        header, lines = parts(age("-d", "-i", key_file, file))
        assert (header["format"], header["secrets"]) == ("strongroom/archive/v1", 3)
        place = next(at for at, line in enumerate(lines) if line.startswith(b"{") and json.loads(line)["name"] == "A")
        values = [base64.b64decode(value) for value in lines[place + 1].split(b" ")]
        assert values == [CANARY.encode(), b"a one"]


def test_age_opens_what_is_exported_for_a_passphrase(source: Vault, tmp_path: Path) -> None:
    file, plain = tmp_path / "backup.age", tmp_path / "plain"
    file.write_bytes(source.export(actor="alice", passphrase=PASSPHRASE))
    age_at_a_terminal(PASSPHRASE, "-d", "-o", plain, file)
    assert parts(plain.read_bytes())[0]["secrets"] == 3


def test_files_that_age_made_are_imported(
    make: Callable[[], Vault], source: Vault, key_file: Path, recipient: str, tmp_path: Path
) -> None:
    plain = age("-d", "-i", key_file, given=source.export(actor="alice", recipients=[recipient]))
    for options in (["-r", recipient], ["-a", "-r", recipient]):
        target = make()
        target.import_(age(*options, given=plain), actor="bob", identities=[key_file.read_text()])
        assert target.get("A", actor="bob").reveal() == CANARY
    (tmp_path / "plain").write_bytes(plain.rstrip(b"\n") + b"\n")
    age_at_a_terminal(PASSPHRASE, "-p", "-o", tmp_path / "made.age", tmp_path / "plain")
    target = make()
    target.import_((tmp_path / "made.age").read_bytes(), actor="bob", passphrase=PASSPHRASE)
    assert target.get("A", actor="bob").reveal() == CANARY


# What is refused, and leaves everything as it was.


class Untouched:
    """A vault whose secrets must be afterwards as they were before."""

    def __init__(self, path: Path) -> None:
        self.store = SQLiteStore(path)
        self.vault = Vault(Keyring.generate(), self.store)
        self.vault.set("MINE", "mine", actor="bob")
        self.path = path
        self.before = self.rows()

    def rows(self) -> list[Any]:
        import sqlite3

        with sqlite3.connect(self.path) as database:
            secrets = database.execute("SELECT * FROM secrets").fetchall()
            events = database.execute("SELECT count(*) FROM secrets_audit WHERE success").fetchall()
        return [secrets, events]

    def refuses(self, data: bytes | str, expected: type[StrongroomError], **options: Any) -> str:
        with pytest.raises(expected) as caught:
            self.vault.import_(data, actor="bob", **options)
        assert self.rows() == self.before
        assert CANARY not in "".join(traceback.format_exception(caught.value))
        [event] = self.vault.audit(actor="bob", limit=1)
        assert (event.action, event.outcome) == ("import", "error")
        self.before = self.rows()
        return str(caught.value)


@pytest.fixture
def untouched(tmp_path: Path) -> Untouched:
    return Untouched(tmp_path / "untouched.db")


def test_a_file_that_is_cut_altered_or_none_at_all_is_refused(
    untouched: Untouched, key_file: Path, recipient: str
) -> None:
    keys = {"identities": [key_file.read_text()]}
    data = filled(Vault(Keyring.generate(), MemoryStore())).export(actor="alice", recipients=[recipient])
    for length in (0, 1, 20, 100, 200, 300, 1000, 65_000, 65_800, 131_000, len(data) - 1):
        untouched.refuses(data[:length], BackupInvalidError, **keys)
    for place in (0, 25, 60, 150, 250, 400, 70_000, len(data) - 1):
        altered = bytearray(data)
        altered[place] ^= 4
        untouched.refuses(bytes(altered), BackupInvalidError, **keys)
    assert "empty" in untouched.refuses(b"", BackupInvalidError, **keys)
    assert "no age file" in untouched.refuses(b"SQLite format 3\0" * 99, BackupInvalidError, **keys)
    assert "no age file" in untouched.refuses('{"format": "strongroom/archive/v1"}\n', BackupInvalidError, **keys)
    other = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True).stdout
    assert "none of these identities" in untouched.refuses(data, BackupInvalidError, identities=[other])
    assert "made for keys" in untouched.refuses(data, BackupInvalidError, passphrase=PASSPHRASE)
    assert "no header" in untouched.refuses(age("-r", recipient, given=b""), BackupInvalidError, **keys)
    assert "no JSON" in untouched.refuses(age("-r", recipient, given=b"a photo\n"), BackupInvalidError, **keys)


def test_a_wrong_passphrase_is_refused_and_told_as_such(untouched: Untouched, source: Vault) -> None:
    data = source.export(actor="alice", passphrase=PASSPHRASE, names=["A"])
    assert "passphrase is wrong" in untouched.refuses(data, BackupInvalidError, passphrase=PASSPHRASE + " ")
    assert "made for a passphrase" in untouched.refuses(
        data,
        BackupInvalidError,
        identities=["AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"],
    )


def test_hostile_archives_that_age_made_are_refused_whole(
    untouched: Untouched, source: Vault, key_file: Path, recipient: str
) -> None:
    keys = {"identities": [key_file.read_text()]}
    plain = age("-d", "-i", key_file, given=source.export(actor="alice", recipients=[recipient]))
    header, lines = parts(plain)

    def refuses(text: bytes, expected: type[StrongroomError]) -> str:
        return untouched.refuses(age("-r", recipient, given=text), expected, **keys)

    def edited(**fields: Any) -> bytes:
        about = {**json.loads(lines[0]), **fields}
        return joined(header, [json.dumps(about).encode(), *lines[1:]])

    for name in ("../../etc/passwd", "a/./b", "C:\\secrets", "two words", "", "\u202egnp"):
        assert "[0]" in refuses(edited(name=name), NameInvalidError)
    assert "unknown field `path`" in refuses(edited(path="/etc/passwd"), BackupInvalidError)
    million = {**header, "secrets": 1_000_000}
    assert "1000000 secrets" in refuses(joined(million, lines), LimitExceededError)
    stream = joined(million, [b"{}", b""] * 1_000_000)
    assert "1000000 secrets" in refuses(stream, LimitExceededError)
    forged = json.loads(lines[2])
    forged["actor"] = "mallory"
    assert "history" in refuses(
        joined(header, [*lines[:2], json.dumps(forged).encode(), *lines[3:]]), BackupInvalidError
    )
    swapped = [*lines[:2], lines[3], lines[2], *lines[4:]]
    assert "out of order" in refuses(joined(header, swapped), BackupInvalidError)
    other = filled(Vault(Keyring.generate(), MemoryStore()))
    assert other.import_(
        age("-r", recipient, given=plain), actor="bob", on_conflict="replace", identities=[key_file.read_text()]
    )


def test_who_may_not_is_refused(recipient: str, key_file: Path) -> None:
    rules = [
        {"id": "reads", "users": ["alice"], "actions": ["read", "write", "list"]},
        {"id": "saves", "users": ["backup"], "actions": ["export"]},
    ]
    vault = Vault(Keyring.generate(), MemoryStore(), policy={"rules": rules})
    vault.set("A", "a", actor="alice")
    with pytest.raises(PermissionDeniedError):
        vault.export(actor="alice", recipients=[recipient])
    data = vault.export(actor="backup", recipients=[recipient])
    keys = [key_file.read_text()]
    with pytest.raises(PermissionDeniedError):
        vault.import_(data, actor="backup", identities=keys, on_conflict="replace")
    with pytest.raises(PermissionDeniedError):
        vault.import_(b"no archive", actor="backup", identities=keys)
    assert vault.import_(data, actor="alice", identities=keys, on_conflict="replace").secrets[0].outcome == "unchanged"


def test_what_is_given_is_checked_and_never_repeated(source: Vault, recipient: str) -> None:
    identity = "AGE-SECRET-KEY-1" + CANARY
    refusals: list[tuple[type[StrongroomError], Callable[[], object]]] = [
        (InvalidArgumentError, lambda: source.export(actor="alice")),
        (InvalidArgumentError, lambda: source.export(actor="alice", passphrase=PASSPHRASE, recipients=[recipient])),
        (InvalidArgumentError, lambda: source.export(actor="alice", recipients=[])),
        (InvalidArgumentError, lambda: source.export(actor="alice", recipients=[CANARY])),
        (InvalidArgumentError, lambda: source.export(actor="alice", recipients=recipient)),
        (ValueInvalidError, lambda: source.export(actor="alice", passphrase=CANARY[:7])),
        (ValueInvalidError, lambda: source.export(actor="alice", passphrase=CANARY * 99)),
        (InvalidArgumentError, lambda: source.import_(b"x", actor="alice")),
        (InvalidArgumentError, lambda: source.import_(b"x", actor="alice", passphrase="a", identities=["b"])),
        (InvalidArgumentError, lambda: source.import_(b"x", actor="alice", identities=[])),
    ]
    for expected, call in refusals:
        with pytest.raises(expected) as caught:
            call()
        assert CANARY[:7] not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(InvalidArgumentError) as caught_key:
        source.import_(b"age-encryption.org/v1\n", actor="alice", identities=[identity])
    assert CANARY not in "".join(traceback.format_exception(caught_key.value))
    with pytest.raises(TypeError):
        source.import_(7, actor="alice", passphrase=PASSPHRASE)  # type: ignore[arg-type]


# While it takes its second.


def test_other_threads_and_tasks_go_on_while_a_passphrase_is_stretched(source: Vault) -> None:
    vault = aio.Vault(Keyring.generate(), MemoryStore())

    async def ticks() -> int:
        await vault.set("A", "a", actor="alice")
        exporting = asyncio.create_task(vault.export(actor="alice", passphrase=PASSPHRASE))
        count = 0
        while not exporting.done():
            await asyncio.sleep(0.01)
            count += 1
        await exporting
        return count

    assert asyncio.run(ticks()) > 5
    count = 0
    exporting = threading.Thread(target=lambda: source.export(actor=Actor("alice"), passphrase=PASSPHRASE))
    exporting.start()
    while exporting.is_alive():
        time.sleep(0.01)
        count += 1
    assert count > 5


# Where the plaintext goes.

CHILD = """
import sys
from strongroom import Keyring, Vault
from strongroom.stores import SQLiteStore
keyring = Keyring.generate()
with SQLiteStore(sys.argv[1]) as store, SQLiteStore(sys.argv[2]) as other:
    vault = Vault(keyring, store)
    vault.set("A", sys.argv[3][::-1], actor="alice")
    data = vault.export(actor="alice", recipients=[sys.argv[4]])
    target = Vault(Keyring.generate(), other)
    target.import_(data, actor="bob", identities=[open(sys.argv[5]).read()])
    assert target.get("A", actor="bob").reveal() == sys.argv[3][::-1]
    if sys.argv[6:] == ["leak"]:
        open(sys.argv[1] + ".leak", "w").write(sys.argv[3][::-1])
"""


@pytest.mark.parametrize("leaks", [False, True])
def test_no_plaintext_reaches_a_file(leaks: bool, tmp_path: Path, recipient: str, key_file: Path) -> None:
    trace = tmp_path / "trace"
    child = [sys.executable, "-c", CHILD, tmp_path / "a.db", tmp_path / "b.db", CANARY[::-1], recipient, key_file]
    calls = "trace=write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,sendfile,mmap,openat,creat,memfd_create"
    strace = ["strace", "-f", "-s", "1000000", "-e", calls, "-o", str(trace)]
    subprocess.run([*strace, *map(str, child), *(["leak"] if leaks else [])], check=True, cwd=tmp_path)
    written = trace.read_text(errors="replace")
    assert "a.db" in written
    # Nor is a file mapped to be written, but the SQLite stores' shared index.
    mapped = [line for line in written.splitlines() if "MAP_SHARED" in line and "PROT_WRITE" in line]
    assert len(mapped) <= 8
    marks = [CANARY, base64.b64encode(CANARY.encode()).decode(), CANARY.encode().hex()]
    files = [each.read_bytes() for each in tmp_path.iterdir() if each != trace]
    found = any(mark in written for mark in marks) or any(mark.encode() in file for mark in marks for file in files)
    assert found == leaks
