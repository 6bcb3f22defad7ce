"""Canaries through every operation, in every way that ends well or badly: they are in no output, log, error, traceback,
event or file, in any encoding.

Tracebacks are taken with the locals of their frames, as error reporters take them: the frames of the package are
searched, the caller's own hold what the caller had.
"""

from __future__ import annotations

import io
import json
import logging
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

import strongroom
from leakscan import Leak, Scanner, make_canary
from strongroom import Actor, Keyring, Manifest, Secret, StrongroomError, Vault, mask
from strongroom.stores import MemoryStore, SQLiteStore, Store

PACKAGE = str(Path(strongroom.__file__).parent)
PACKAGE_FRAMES = 3
"""In at least so many frames a failing operation of the vault was looked into."""


class StoreFaultError(Exception):
    pass


class Failing:
    """A store that fails at one kind of request, after it was shown everything."""

    def __init__(self, store: Store, kind: str | None) -> None:
        self._store, self._kind, self.seen = store, kind, ""

    def _do(self, kind: str, asked: Any, call: Callable[[], Any]) -> Any:
        # What is only asked for by name is not kept.
        self.seen += json.dumps(asked) if kind == "commit" else ""
        if kind == self._kind:
            raise StoreFaultError(kind)
        answer = call()
        self.seen += json.dumps(answer)
        return answer

    def load(self, keys: Any, /) -> Any:
        return self._do("load", keys, lambda: self._store.load(keys))

    def list(self, query: Any, cursor: Any, /) -> Any:
        return self._do("list", query, lambda: self._store.list(query, cursor))

    def commit(self, change_set: Any, /) -> Any:
        return self._do("commit", change_set, lambda: self._store.commit(change_set))

    def events(self, query: Any, cursor: Any, /) -> Any:
        return self._do("events", query, lambda: self._store.events(query, cursor))


def is_ours(line: traceback.FrameSummary) -> bool:
    return line.filename.startswith(PACKAGE)


def of_package(raised: TracebackType | None) -> int:
    return sum(map(is_ours, traceback.extract_tb(raised)))


def told_by(error: BaseException, *, with_locals: bool = True) -> str:
    """Everything that an error tells: its words, its attributes, its causes, and the locals of the package's frames."""
    told, seen = "", set()
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        told += f"{each} {each!r} {each.args!r} {vars(each)!r}\n"
        captured = traceback.TracebackException.from_exception(each, capture_locals=True)
        told += "".join(f"{line.name}: {line.locals}\n" for line in captured.stack if with_locals and is_ours(line))
        pending += [each.__cause__, each.__context__]
    return told


class Session:
    """What a program does with canaries, and all that came out of it."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.canary, self.told, self.frames, self.failed = make_canary(), "", 0, 0

    def run(self, call: Callable[[], object], *, with_locals: bool = True) -> Any:
        try:
            result = call()
        except StrongroomError as error:
            self.failed += 1
            self.frames += of_package(error.__traceback__)
            self.told += told_by(error, with_locals=with_locals)
            return None
        self.told += f"{result} {result!r}\n"
        if isinstance(result, Secret):
            assert result.reveal() == self.canary
            self.told += f"{result.details} {result.masked('prefix(8)')} {result.masked('ends(3)')}\n"
        return result

    def everything(self) -> None:
        vault, canary, alice = self.vault, self.canary, Actor("alice", platform="telegram")
        self.run(lambda: vault.set("A", canary, actor=alice))
        self.run(lambda: vault.set("B", Secret(canary), actor=alice, namespace="nexus"))
        self.run(lambda: vault.set("C", canary.encode(), actor=alice))
        self.run(lambda: vault.get("A", actor=alice))
        self.run(lambda: vault.rotate("A", canary, actor=alice))
        self.run(lambda: vault.rotate("MISSING", canary, actor=alice))
        self.run(lambda: vault.exists("A", actor=alice))
        self.run(lambda: vault.list(actor=alice))
        for change in ("set", "rotate"):
            proposed = self.run(lambda change=change: vault.propose(change, "A", canary, actor=alice))  # type: ignore[misc]
            if proposed is not None:
                self.run(lambda proposed=proposed: vault.confirm(proposed.id, actor="mallory"))  # type: ignore[misc]
                self.run(lambda proposed=proposed: vault.confirm(proposed.id, actor=alice))  # type: ignore[misc]
                self.run(lambda proposed=proposed: vault.confirm(proposed.id, actor=alice))  # type: ignore[misc]
        proposed = self.run(lambda: vault.propose("set", "A", canary, actor=alice))
        if proposed is not None:
            self.run(lambda: vault.cancel(proposed.id, actor=alice))
        self.run(lambda: vault.propose("delete", "A", canary, actor=alice))
        self.run(lambda: vault.propose("set", "OPEN", canary, actor=alice))
        # Where people paste values that belong elsewhere. What they say is a name is one to the frames that look it up.
        for command in (
            "set A {}",
            "rotate A {}",
            "set {0} {0}",
            "get {}",
            "delete {}",
            "confirm {}",
            "{}",
            "set {}",
            "audit {}",
        ):
            text = f"secret {command.format(canary + '!')}"
            is_name = command in ("set {0} {0}", "get {}", "delete {}", "audit {}")
            self.run(lambda text=text: vault.command(text, actor=alice), with_locals=not is_name)  # type: ignore[misc]
        self.run(lambda: vault.command(f"sceret set A {canary}", actor=alice))
        self.run(lambda: vault.command(f"secret set C {canary}", actor=alice))
        self.run(lambda: vault.get(canary + "!", actor=alice), with_locals=False)
        self.run(lambda: vault.set(canary + "!", canary, actor=alice), with_locals=False)
        self.run(lambda: vault.set("A", canary, actor=alice, namespace=canary + "!"), with_locals=False)
        self.run(lambda: vault.confirm(canary, actor=alice), with_locals=False)
        self.run(lambda: vault.set("A", canary * 2000, actor=alice))
        self.rules(vault, alice, canary)
        self.run(lambda: vault.audit(actor=alice, limit=1000))
        self.run(lambda: vault.audit("A", actor=alice))
        self.run(lambda: vault.set_many({"M": canary, "N": {"value": canary, "notify": ["ops"]}}, actor=alice))
        self.run(lambda: vault.get_many(["M", "N"], actor=alice))
        self.run(lambda: vault.set_many({"M": canary, "N": ""}, actor=alice))
        self.run(lambda: vault.import_dotenv(f"M={canary}\nO='{canary}'\n", actor=alice, namespace="app"))
        self.run(lambda: vault.import_dotenv(f"M='{canary}", actor=alice))
        exported = self.run(lambda: vault.export(actor=alice, passphrase=canary))
        if exported is not None:
            self.run(lambda: vault.import_(exported, actor=alice, passphrase=canary, on_conflict="replace"))
            self.run(lambda: vault.import_(exported, actor=alice, identities=[canary]))
        self.run(lambda: vault.export(actor=alice, passphrase=canary[:7]))
        self.run(lambda: vault.import_(canary, actor=alice, passphrase=canary))
        asked = Manifest.parse("version: 1\nentries: [{name: M, minimum_length: 4096}, {name: N}]")
        self.run(lambda: vault.check(asked, actor=alice))
        self.run(lambda: Manifest.parse(f'version: 1\nentries: [{{name: M, default: "{canary}"}}]'))
        self.run(lambda: vault.census(actor=alice))
        self.run(lambda: vault.delete("C", actor=alice))
        self.run(lambda: vault.verify_audit(actor=alice))
        self.told += f"{vault!r} {vault._host!r} {vault._handle!r}\n"

    def rules(self, vault: Vault, alice: Actor, canary: str) -> None:
        hour = timedelta(hours=1)
        self.run(lambda: vault.rotate("A", canary, actor=alice, grace=hour, expires_in=hour))
        self.run(lambda: vault.rotate("A", canary, actor=alice, grace=-hour))
        self.run(lambda: vault.rotate("A", canary, actor=alice, generate="hex"))
        self.run(lambda: vault.set("A", canary, actor=alice, expires_at=datetime(2000, 1, 1)))  # no time zone
        self.run(lambda: vault.set("A", canary, actor=alice, notify=["x"] * 17))
        for name in ("A", "MISSING"):
            self.run(lambda name=name: vault.verify(name, canary, actor=alice))  # type: ignore[misc]
            self.run(lambda name=name: vault.verify(name, canary + "!", actor=alice))  # type: ignore[misc]
            self.run(lambda name=name: vault.versions(name, actor=alice))  # type: ignore[misc]
            self.run(lambda name=name: vault.rollback(name, 1, actor=alice))  # type: ignore[misc]
            self.run(lambda name=name: vault.revoke_previous(name, actor=alice))  # type: ignore[misc]
            self.run(lambda name=name: vault.grants(name, actor=alice))  # type: ignore[misc]
        self.run(lambda: vault.verify("A", "\udcff" + canary, actor=alice))
        self.run(lambda: vault.disable("A", actor=alice))
        self.run(lambda: vault.get("A", actor=alice))
        self.run(lambda: vault.enable("A", actor=alice))
        self.run(lambda: vault.expire("A", actor=alice))
        self.run(lambda: vault.purge(actor=alice))
        self.run(lambda: vault.rotation_status(actor=alice))
        self.run(lambda: vault.policy(actor=alice))
        granted = self.run(lambda: vault.grant("A", actor=alice, user="bob", actions=["read"]))
        if granted is not None:
            self.run(lambda: vault.revoke("A", granted.id, actor=alice))
        self.run(lambda: vault.revoke("A", canary, actor=alice), with_locals=False)
        self.run(lambda: vault.retire(canary, actor=alice), with_locals=False)
        self.run(lambda: vault.rekey(actor=alice))

    def leaks(self, folder: Path | None = None) -> list[Leak]:
        scanner = Scanner(self.canary)
        return scanner.find("told", self.told) + (scanner.find_in_tree(folder) if folder else [])


@pytest.mark.parametrize("kind", [None, "load", "list", "commit", "events"])
@pytest.mark.parametrize("where", ["memory", "sqlite"])
def test_no_operation_tells_a_value(
    kind: str | None, where: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongroom._driver.time.sleep", lambda seconds: None)
    caplog.set_level(logging.DEBUG)
    out, err = io.StringIO(), io.StringIO()
    store: Store = MemoryStore() if where == "memory" else SQLiteStore(tmp_path / "vault.db")
    keyring = Keyring.generate()
    Vault(keyring, store).set("SEED", "a value that is no canary", actor="alice")
    failing = Failing(store, kind)
    session = Session(Vault(keyring, failing))
    with redirect_stdout(out), redirect_stderr(err):
        session.everything()
    session.told += out.getvalue() + err.getvalue() + caplog.text + failing.seen
    assert session.leaks(tmp_path) == []
    assert session.failed >= 5
    assert session.frames >= PACKAGE_FRAMES * session.failed
    if isinstance(store, SQLiteStore):
        assert (tmp_path / "vault.db-wal").stat().st_size > 0
        store.close()
        assert session.leaks(tmp_path) == []


def test_the_session_s_own_scan_finds_what_is_planted_in_each_of_its_places(tmp_path: Path) -> None:
    session = Session(Vault(Keyring.generate(), MemoryStore()))
    assert session.leaks(tmp_path) == []
    (tmp_path / "journal").write_text(session.canary)
    assert session.leaks(tmp_path)

    def fails(value: str) -> None:
        raise StrongroomError("words")

    def fails_with_an_attribute(value: str) -> None:
        error = StrongroomError("words")
        error.operation = value
        del value
        raise error

    def fails_because(value: str) -> None:
        cause = ValueError(value)
        del value
        raise StrongroomError("words") from cause

    # As if these were the package's own frames.
    for planted in (fails, fails_with_an_attribute, fails_because):
        code = planted.__code__.replace(co_filename=f"{PACKAGE}/_planted.py")
        planted.__code__ = code
        fresh = Session(session.vault)
        canary = fresh.canary
        fresh.run(lambda planted=planted, canary=canary: planted(canary))  # type: ignore[misc]
        assert fresh.failed == 1
        assert fresh.leaks(), planted.__name__
    reprs = Session(session.vault)
    reprs.run(lambda: {"value": reprs.canary})
    assert reprs.leaks()


KEY_CALLS: dict[str, Callable[[str, str], object]] = {
    "parse a short one": lambda key, _: Keyring.parse(key[:-1]),
    "parse one twice": lambda key, _: Keyring.parse(f"{key},{key}"),
    "parse one with more": lambda key, _: Keyring.parse(f"{key},nonsense"),
    "parse no Unicode": lambda key, _: Keyring.parse(f"{key}\udcff"),
    "from the environment": lambda key, _: Keyring.from_env({"ENCRYPTION_KEY": f"{key},{key}"}),
    "from the environment, no Unicode": lambda key, _: Keyring.from_env({"ENCRYPTION_KEY": f"{key}\udcff"}),
    "from both": lambda key, _: Keyring.from_env({"ENCRYPTION_KEY": key, "ENCRYPTION_KEY_FILE": "/nowhere"}),
    "from a file": lambda key, path: Keyring.from_env({"ENCRYPTION_KEY_FILE": path}),
    "encrypt in no format": lambda key, _: Keyring.generate().encrypt(key, format="x"),  # type: ignore[arg-type]
    "encrypt with too much": lambda key, _: Keyring.generate().encrypt(key, format="node_gcm", associated_data="x"),
    "encrypt no Unicode": lambda key, _: Keyring.generate().encrypt(key + "\udcff"),
    "decrypt": lambda key, _: Keyring.generate().decrypt(Keyring.generate().encrypt(key)),
    "mask": lambda key, _: mask(key, "x"),  # type: ignore[arg-type]
    "mask no Unicode": lambda key, _: mask(key + "\udcff"),
    "secret": lambda key, _: Secret(key + "\udcff"),
}


@pytest.mark.parametrize("call", KEY_CALLS)
def test_no_error_about_a_key_or_a_value_tells_it(call: str, tmp_path: Path) -> None:
    key = Keyring.generate().dangerous_export()
    (tmp_path / "key").write_text(f"{key}\n{key}")
    with pytest.raises(StrongroomError) as caught:
        KEY_CALLS[call](key, str(tmp_path / "key"))
    assert of_package(caught.value.__traceback__) >= 1
    told = told_by(caught.value)
    assert Scanner(key.removeprefix("srk1.")).find(call, told) == [], told
    with pytest.raises(TypeError):
        pickle.dumps(Keyring.parse(key))


def test_the_environment_is_in_no_frame_of_a_keyring_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_canary(43)
    monkeypatch.setenv("ENCRYPTION_KEY", f"{key},{key}")
    monkeypatch.delenv("ENCRYPTION_KEY_FILE", raising=False)
    with pytest.raises(StrongroomError) as caught:
        Keyring.from_env()
    assert Scanner(key).find("the frames", told_by(caught.value)) == []


CRASHING = """
import logging, os, sys, traceback
import strongroom
from strongroom import Keyring, Secret, Vault
from strongroom.stores import SQLiteStore

logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
store = SQLiteStore(sys.argv[1])
vault = Vault(Keyring.generate(), store, confirm=["set"])
secret = Secret(sys.stdin.readline().strip())

def report(kind, error, raised):
    captured = traceback.TracebackException(kind, error, raised, capture_locals=True)
    print("".join(captured.format()), file=sys.stderr)

sys.excepthook = report
vault.set("A", secret, actor="alice")
print(secret, vault.get("A", actor="alice"), vault.list(actor="alice"))
logging.info("stored %s", secret)
print(vault.command(f"secret set B {secret.reveal()}", actor="alice"))
if sys.argv[2] == "leak":
    print(secret.reveal())
store.close()
vault.rotate("A", secret, actor="alice")
"""


@pytest.mark.parametrize("way", ["keep", "leak"])
def test_a_program_that_crashes_with_its_locals_shown_prints_no_value(way: str, tmp_path: Path) -> None:
    canary = make_canary()
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-c", CRASHING, str(tmp_path / "vault.db"), way],
        input=canary,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "StorageFailedError" in run.stderr
    assert "change_set" in run.stderr or "keys" in run.stderr, "no locals were shown"
    assert "****" in run.stdout
    scanner = Scanner(canary)
    leaks = scanner.find("stdout", run.stdout) + scanner.find("stderr", run.stderr) + scanner.find_in_tree(tmp_path)
    assert bool(leaks) == (way == "leak"), leaks
