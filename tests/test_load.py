"""The load generator explains what right stores say, and finds what broken ones do."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from strongroom import Vault
from strongroom.errors import SecretNotFoundError
from strongroom.stores import CommitAnswer, SQLiteStore, Store

from load.check import Op, Violation, check, check_name
from load.history import NOT_FOUND, Kind, Line, read_lines, write_lines
from load.work import MIX, Phase, Worker, chance, place, steps

TESTS = Path(__file__).parent

CHANCE = random.Random(1)  # noqa: S311

# Histories by hand. An operation is (kind, start, end, told) and perhaps the value that was given; told nothing, nobody
# knows how it ended.

CREATED = ("set", 0, 1, [1, True], "a")


def history(*ops: tuple[Any, ...]) -> Violation | None:
    return check_name("A", [replace(Op(*op), is_known=op[3] is not None) for op in ops])


EXPLAINED: dict[str, list[tuple[Any, ...]]] = {
    "nothing at all": [],
    "a read of what was written": [CREATED, ("get", 2, 3, [1, "a"])],
    "a write that a read meets half way, before and after": [
        CREATED,
        ("set", 2, 9, [2, False], "b"),
        ("get", 3, 4, [1, "a"]),
        ("get", 5, 6, [2, "b"]),
    ],
    "writers that overlap, whatever their order": [
        ("set", 2, 9, [2, False], "b"),
        ("set", 3, 8, [1, True], "a"),
        ("get", 10, 11, [2, "b"]),
    ],
    "a write that was not told, and was done": [CREATED, ("set", 2, 3, None, "b"), ("get", 4, 5, [2, "b"])],
    "a write that was not told, and was not done": [CREATED, ("set", 2, 3, None, "b"), ("set", 4, 5, [2, False], "c")],
    "a write that was not told, and was done late": [
        CREATED,
        ("set", 2, 3, None, "b"),
        ("get", 4, 5, [1, "a"]),
        ("get", 6, 7, [2, "b"]),
    ],
    "a deletion that was not told, and a secret that is made again": [
        CREATED,
        ("delete", 2, 3, None),
        ("set", 4, 5, [1, True], "b"),
        ("last", 6, 7, [1, 0]),
    ],
    "a deletion and a creation that overlap": [
        CREATED,
        ("set", 2, 9, [1, True], "b"),
        ("delete", 3, 8, True),
        ("get", 10, 11, [1, "b"]),
        ("last", 12, 13, [1, 1]),
    ],
    "what was deleted is missing": [
        CREATED,
        ("delete", 2, 3, True),
        ("get", 4, 5, NOT_FOUND),
        ("exists", 4, 5, False),
        ("rotate", 4, 5, NOT_FOUND, "b"),
        ("delete", 4, 5, NOT_FOUND),
        ("version", 4, 5, NOT_FOUND),
        ("last", 6, 7, [NOT_FOUND, 0]),
    ],
    "accesses are counted, those that were not told perhaps": [
        CREATED,
        ("get", 2, 3, [1, "a"]),
        ("verify", 2, 3, 1, "a"),
        ("verify", 2, 3, 0, "x"),
        ("get", 2, 3, None),
        ("last", 6, 7, [1, 3]),
    ],
}


@pytest.mark.parametrize("what", EXPLAINED)
def test_a_history_that_has_an_order_is_explained(what: str) -> None:
    assert history(*EXPLAINED[what]) is None


SET_AGAIN = ("set", 2, 3, [2, False], "b")

VIOLATIONS: list[tuple[str, list[tuple[Any, ...]]]] = [
    ("the value was never written", [CREATED, ("get", 2, 3, [1, "x"])]),
    ("the value was written only later", [CREATED, ("get", 2, 3, [2, "b"]), ("set", 4, 5, [2, False], "b")]),
    ("its writer was told version 1", [CREATED, ("get", 2, 3, [2, "a"])]),
    ("a stale read", [CREATED, SET_AGAIN, ("get", 4, 5, [1, "a"])]),
    ("no order", [CREATED, SET_AGAIN, ("version", 4, 5, 1)]),
    ("no order", [CREATED, SET_AGAIN, ("version", 4, 5, [2])]),
    ("a lost update", [CREATED, ("set", 2, 9, [2, False], "b"), ("rotate", 3, 8, [2, False], "c")]),
    ("a write was lost, or done twice", [CREATED, ("set", 2, 3, [3, False], "b")]),
    ("nothing deleted it", [CREATED, ("get", 2, 3, NOT_FOUND)]),
    ("nothing deleted it", [CREATED, ("exists", 2, 3, False)]),
    ("a forgotten deletion", [CREATED, ("delete", 2, 3, True), ("exists", 4, 5, True)]),
    ("a forgotten deletion", [CREATED, ("delete", 2, 3, True), ("set", 4, 5, [2, False], "b")]),
    ("a forgotten deletion", [CREATED, ("delete", 2, 3, True), ("delete", 4, 5, True)]),
    ("no order", [CREATED, ("verify", 2, 3, 0, "a")]),
    ("no order", [CREATED, SET_AGAIN, ("verify", 4, 5, 1, "a")]),
    ("number of accesses", [CREATED, ("get", 2, 3, [1, "a"]), ("last", 4, 5, [1, 0])]),
    ("number of accesses", [CREATED, ("get", 2, 3, [1, "a"]), ("last", 4, 5, [1, 2])]),
    ("the last version", [CREATED, SET_AGAIN, ("last", 4, 5, [1, 0])]),
    # Read, then gone again: each read has an order of its own, and both together have none.
    ("no order", [CREATED, ("set", 2, 9, [2, False], "b"), ("get", 3, 4, [2, "b"]), ("get", 5, 6, [1, "a"])]),
    # A write that was not told is done once, if at all.
    ("no order", [CREATED, ("set", 2, 3, None, "b"), SET_AGAIN, ("set", 4, 5, [3, False], "c"), ("version", 6, 7, 5)]),
]


@pytest.mark.parametrize(("why", "ops"), VIOLATIONS)
def test_a_history_that_has_no_order_is_told_with_a_reason(why: str, ops: list[tuple[Any, ...]]) -> None:
    violation = history(*ops)
    assert violation is not None
    assert why in violation.why
    assert violation.name == "A"
    assert len(violation.history) <= len(ops)


def test_a_list_tells_of_what_it_does_not_have() -> None:
    made = Line(1, "set_many", "n", ["A", "B"], ["a", "b"], 0, 1, {"A": [1, True], "B": [1, True]})
    listed = Line(1, "list", "n", [], [], 2, 3, {"A": 1, "B": 1})
    cut_short = Line(1, "list", "n", [], [], 2, 3, {"A": 1})
    assert [*check([made, listed])] == []
    assert [(each.name, each.why) for each in check([made, cut_short])] == [
        ("n/B", "it is missing, and nothing deleted it")
    ]
    assert [*check([made, Line(1, "last", "n", [], [], 4, 5, {"A": [1, 0], "B": [1, 0]})])] == []


def test_lines_come_back_as_they_were_written(tmp_path: Path) -> None:
    lines = [
        Line(1, "get", "n", ["A"], [], 2, 3, [1, "a"]),
        Line(2, "set", "", ["B"], ["ü"], 3, 4, None, "STORAGE_FAILED: no"),
    ]
    path = tmp_path / "history.jsonl"
    with path.open("w", encoding="utf-8") as file:
        write_lines(lines, file)
    assert [*read_lines([path])] == lines


# Vaults of a few lines that threads share: a right one, and ones with a fault each.


class Plain:
    """What the worker asks of a vault, over a dict. Other threads come in between wherever they can."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.there: dict[str, tuple[int, str]] = {}
        self.accesses: dict[str, int] = {}

    def pause(self) -> None:
        time.sleep(CHANCE.random() / 5000)

    def set(self, name: str, value: str, **_: Any) -> Any:
        self.pause()
        with self.lock:
            version = self.next_version(name)
            self.there[name] = version, value
        self.pause()
        return SimpleNamespace(name=name, version=version, created=version == 1)

    def next_version(self, name: str) -> int:
        return self.there.get(name, (0, ""))[0] + 1

    def rotate(self, name: str, value: str, **_: Any) -> Any:
        self.pause()
        with self.lock:
            if name not in self.there:
                raise missing()
            version = self.next_version(name)
            self.there[name] = version, value
        return SimpleNamespace(version=version, created=False)

    def delete(self, name: str, **_: Any) -> None:
        with self.lock:
            if name not in self.there:
                raise missing()
            del self.there[name]
            self.accesses.pop(name, None)

    def read(self, name: str) -> tuple[int, str]:
        with self.lock:
            if name not in self.there:
                raise missing()
            self.accesses[name] = self.accesses.get(name, 0) + 1
            return self.there[name]

    def get(self, name: str, **_: Any) -> Any:
        self.pause()
        version, value = self.read(name)
        self.pause()
        return SimpleNamespace(details=SimpleNamespace(version=version), reveal=lambda: value)

    def exists(self, name: str, **_: Any) -> bool:
        return name in self.there

    def list(self, **_: Any) -> Any:
        with self.lock:
            return [
                SimpleNamespace(name=name, version=version, accessed_count=self.accesses.get(name, 0))
                for name, (version, _) in self.there.items()
            ]


def missing() -> SecretNotFoundError:
    return SecretNotFoundError("Secret not found")


class LosesUpdates(Plain):
    """Looks, and writes later."""

    def rotate(self, name: str, value: str, **_: Any) -> Any:
        if name not in self.there:
            raise missing()
        version = self.next_version(name)
        self.pause()
        self.there[name] = version, value
        return SimpleNamespace(version=version, created=False)


class ReadsWhatWas(Plain):
    """From a cache, now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[str, tuple[int, str]] = {}

    def read(self, name: str) -> tuple[int, str]:
        fresh = super().read(name)
        return self.cache.setdefault(name, fresh) if CHANCE.random() < 0.1 else fresh


class ForgetsDeletions(Plain):
    def delete(self, name: str, **_: Any) -> None:
        if name not in self.there:
            raise missing()


class WritesTwice(Plain):
    def set(self, name: str, value: str, **_: Any) -> Any:
        written = super().set(name, value)
        return super().set(name, value) if CHANCE.random() < 0.2 else written


class WritesTwiceAndTellsTheFirst(Plain):
    def set(self, name: str, value: str, **_: Any) -> Any:
        written = super().set(name, value)
        if CHANCE.random() < 0.2:
            super().set(name, value)
        return written


class LosesWrites(Plain):
    def set(self, name: str, value: str, **_: Any) -> Any:
        before = self.there.get(name)
        written = super().set(name, value)
        if before is not None and CHANCE.random() < 0.2:
            self.there[name] = before
        return written


class CountsTooLittle(Plain):
    def read(self, name: str) -> tuple[int, str]:
        found = super().read(name)
        if CHANCE.random() < 0.2 and name in self.accesses:
            self.accesses[name] -= 1
        return found


class ListsInPart(Plain):
    def list(self, **_: Any) -> Any:
        return super().list()[:-1]


def drive(make: Callable[[], Plain], *, deletions: bool = True, times: int = 300) -> list[Violation]:
    """Four threads on three secrets, and one reading at the end."""
    vault = make()
    mix: dict[Kind, int] = {
        kind: MIX[kind]
        for kind in ("get", "set", "rotate", "exists", "delete", "list")
        if deletions or kind != "delete"
    }
    workers = [Worker(cast("Vault", vault), number, chance(1, number), 20) for number in range(1, 5)]
    lines: list[Line] = []
    threads = [
        threading.Thread(
            # A clock that ticks once an operation: however slow the machine is, as much is done.
            target=lambda worker: lines.extend(steps(worker, mix, Phase(times + 1, 3), itertools.count().__next__)),
            args=(worker,),
        )
        for worker in workers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines.append(workers[0].ask("last", place(0)[0], [], []))
    assert [line.error for line in lines if line.error] == []
    assert len(lines) == 4 * times + 1
    return [*check(lines)]


def test_what_a_right_vault_says_is_explained() -> None:
    assert drive(Plain) == []


BROKEN: list[tuple[type[Plain], bool]] = [
    (LosesUpdates, False),
    (LosesUpdates, True),
    (ReadsWhatWas, False),
    (ReadsWhatWas, True),
    (ForgetsDeletions, True),
    (WritesTwice, False),
    (WritesTwiceAndTellsTheFirst, False),
    (LosesWrites, False),
    (CountsTooLittle, False),
    (ListsInPart, False),
]


@pytest.mark.parametrize(("broken", "deletions"), BROKEN)
def test_a_broken_vault_is_found(broken: type[Plain], deletions: bool) -> None:
    assert drive(broken, deletions=deletions) != []


# The whole, in processes of its own.


def load(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-m", "load", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_processes_in_two_languages_explain_each_other(tmp_path: Path) -> None:
    done = load(
        f"sqlite:{tmp_path / 'vault.db'}",
        *("--processes", "2", "--hosts", "python,node", "--secrets", "300", "--seconds", "2", "--json"),
        *("--hot", "3", "--hot-seconds", "1.5", "--keep", str(tmp_path / "histories")),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["ok"], told["hosts"], told["unknown_ends"]) == (True, ["python", "node"], 0)
    kinds = [
        {line.kind for line in read_lines([tmp_path / "histories" / f"process-{number}.jsonl"])} for number in (1, 2)
    ]
    assert {"get", "set", "rotate", "verify"} < kinds[0] & kinds[1]


def test_a_host_that_is_none_is_refused() -> None:
    done = load("sqlite:x.db", "--hosts", "python,cobol")
    assert done.returncode == 2
    assert "the hosts are some of: python, node" in done.stderr


def test_a_sqlite_file_under_load_is_explained(tmp_path: Path) -> None:
    done = load(
        f"sqlite:{tmp_path / 'vault.db'}",
        *("--processes", "3", "--secrets", "300", "--seconds", "1.5", "--hot", "3", "--hot-seconds", "1.5", "--json"),
        *("--keep", str(tmp_path / "histories")),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["ok"]
    assert (told["errors"], told["violations"], told["unknown_ends"]) == ([], [], 0)
    assert [phase["secrets"] for phase in told["phases"]] == [300, 3]
    assert all(phase["operations"] > 3 and phase["p99_ms"] > 0 for phase in told["phases"])
    assert told["operations"] >= sum(phase["operations"] for phase in told["phases"]) + 2 + 2
    assert told["conflicts"] > 0
    assert told["events"] > 300
    # Nothing of the processes is left out.
    assert len([*read_lines((tmp_path / "histories").glob("*.jsonl"))]) == told["operations"]


# Stores for it, by `test_load:...`, with the file of SQLite beside the histories.

FOLDER = "STRONGROOM_LOAD_TEST"


class FailsWhenCut(SQLiteStore):
    """Fails for a while when there is a file `cut`, whether it had applied what it was asked or not.

    Not in the process that fills it and reads it in the end.
    """

    failures = 0
    works = getattr(sys.modules["__main__"].__spec__, "name", None) == "load.work"

    def commit(self, change_set: dict[str, Any], /) -> CommitAnswer:
        if self.failures == 0 and self.works and _takes(Path(os.environ[FOLDER], "cut")):
            self.failures = 3
        if self.failures == 0:
            return super().commit(change_set)
        self.failures -= 1
        if self.failures == 1 and CHANCE.random() < 0.5:
            super().commit(change_set)
        raise ConnectionError("cut")


def _takes(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


class LosesCommits(SQLiteStore):
    """Says that it has committed, now and then, and has not."""

    def commit(self, change_set: dict[str, Any], /) -> CommitAnswer:
        return "committed" if CHANCE.random() < 0.03 else super().commit(change_set)


def fails_when_cut() -> Store:
    return FailsWhenCut(Path(os.environ[FOLDER], "vault.db"))


def loses_commits() -> Store:
    return LosesCommits(Path(os.environ[FOLDER], "vault.db"))


def test_cuts_are_made_and_their_errors_are_allowed_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    options = ("test_load:fails_when_cut", "--processes", "2", "--secrets", "5", "--seconds", "2", "--json")
    done = load(*options, "--cut", f"touch {tmp_path / 'cut'}", "--cut-every", "0.4")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["cuts"] >= 3
    assert told["unknown_ends"] >= 1
    assert told["ok"]


def test_an_error_that_reaches_a_caller_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    (tmp_path / "cut").touch()
    done = load("test_load:fails_when_cut", "--processes", "2", "--secrets", "5", "--seconds", "3")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "ERROR process" in done.stdout
    assert "STORAGE_FAILED" in done.stdout
    assert "VIOLATION" not in done.stdout


def test_a_broken_store_fails_the_run_and_its_history_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    done = load("test_load:loses_commits", "--processes", "2", "--secrets", "5", "--seconds", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "VIOLATION load-00000/SECRET_" in done.stdout
    assert "\n  > process " in done.stdout
    assert "NOT explained: see above" in done.stdout
    kept = Path(done.stderr.rpartition("the histories are in ")[2].strip())
    assert len([*kept.glob("*.jsonl")]) == 4
    shutil.rmtree(kept)


@pytest.mark.parametrize("cut", ["connections", "restart"])
def test_a_server_of_its_own_is_cut_off_meanwhile_and_everything_explained(cut: str) -> None:
    done = load(
        "cluster", "--processes", "2", "--secrets", "20", "--seconds", "5", "--json", "--cut", cut, "--cut-every", "2"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["ok"]
    assert told["cuts"] >= 1
    assert told["phases"][0]["operations"] > 0


def test_pages_are_measured_at_both_ends_of_few_secrets_and_of_many(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-m", "load.pages", f"sqlite:{tmp_path / 'vault.db'}", "--secrets", "10", "1100"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    few, many = json.loads(done.stdout)
    assert (few["secrets"], few["list"]["pages"], few["due"]["pages"]) == (10, 1, 1)
    assert (many["secrets"], many["list"]["pages"], many["due"]["pages"]) == (1100, 5, 5)
    assert all(many[name][end] > 0 for name in ("list", "due") for end in ("first_ms", "last_ms", "last_to_first"))


def test_what_is_no_store_is_refused() -> None:
    for spec in ("sqlite", "sqlite:", "json:no_such_store"):
        done = load(spec)
        assert done.returncode == 2
        assert "name a store as sqlite:PATH" in done.stderr
    assert load("sqlite:x", "--mix", "get=0").returncode == 2
    assert load("sqlite:x", "--mix", "gt=1").returncode == 2
    assert load("sqlite:x", "--processes", "0").returncode == 2
