"""A run: fills the store, sets the processes to work, cuts what it is to cut, and reads everything once more."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom import Keyring, Vault
from strongroom.errors import StrongroomError

from load.check import Violation, check
from load.history import Kind, Line, read_lines, write_lines
from load.stores import open_store
from load.work import MIX, NAMESPACE_SIZE, Phase, Work, Worker, chance, place

_HERE = Path(__file__).resolve().parent
NODE_PACKAGE = os.environ.get("LOAD_NODE_PACKAGE", str(_HERE.parents[1] / "node"))
HOSTS = {
    "python": [sys.executable, "-m", "load.work"],
    "node": ["node", str(_HERE / "worker.mjs"), NODE_PACKAGE],
}
"""What runs a process, by its language."""

FINDINGS_MAX = 20
"""How many of each kind of finding are kept."""


@dataclass(frozen=True)
class Options:
    """What to do to which store."""

    store: str
    processes: int = 4
    secrets: int = 1000
    phases: list[Phase] = field(default_factory=lambda: [Phase(10, 1000)])
    mix: dict[Kind, int] = field(default_factory=lambda: dict(MIX))
    seed: int = 1
    value_bytes: int = 32
    hosts: tuple[str, ...] = ("python",)
    """In which languages the processes are, in turn."""
    cut: Callable[[], object] | None = None
    cut_every: float = 5.0


@dataclass
class Outcome:
    """What came of a run."""

    lines: list[list[Line]]
    """Of each phase."""
    spans: list[float]
    """How long each phase took, in seconds."""
    conflicts: int
    """How often another writer came first, during the phases."""
    populated: float
    """How long filling the store took, in seconds."""
    cuts: int
    events: int | None
    """Events in the verified chain."""
    errors: list[str]
    """Errors that reached a caller and should not have."""
    unknown: int
    """Operations whose end nobody knows, since something was cut."""
    violations: list[Violation]
    histories: int
    """Secrets whose history was checked."""
    operations: int
    """Operations that these consist of."""


def run(options: Options, folder: Path, say: Callable[[str], None]) -> Outcome:
    """Does all of it; the histories stay in the folder."""
    keyring = Keyring.generate()
    before, after = folder / "before.jsonl", folder / "after.jsonl"
    with open_store(options.store) as store:
        started = time.monotonic()
        worker = Worker(Vault(keyring, store), 0, chance(options.seed, 0), options.value_bytes)
        with before.open("w", encoding="utf-8") as file:
            write_lines(populate(worker, options.secrets, say), file)
        populated = time.monotonic() - started
        logs, conflicts, spans, cuts = _work(options, keyring, folder, say)
        say("reading everything once more")
        touched = {(line.namespace, name) for line in read_lines(logs) for name in line.names}
        with after.open("w", encoding="utf-8") as file:
            write_lines(read_all(worker, options.secrets, touched), file)
        errors = []
        try:
            events = worker.vault.verify_audit(actor=worker.actor).events
        except StrongroomError as error:
            events = None
            errors.append(f"verify_audit: {error.code}: {error}")
    say("looking for an order that explains it")
    lines = [*read_lines(logs)]
    everything = [*read_lines([before, after]), *lines]
    failed = [line for line in everything if line.error is not None]
    # What is cut may be told of; anything else is no caller's business.
    surprising = [line for line in failed if options.cut is None or not str(line.error).startswith("STORAGE_FAILED")]
    errors += [f"process {line.process}: {line.kind} {line.names}: {line.error}" for line in surprising]
    violations = [*itertools.islice(check(everything), FINDINGS_MAX)]
    return Outcome(
        lines=_by_phase(lines, spans),
        spans=[end - start for start, end in spans],
        conflicts=conflicts,
        populated=populated,
        cuts=cuts,
        events=events,
        errors=errors[:FINDINGS_MAX],
        unknown=len(failed),
        violations=violations,
        histories=options.secrets,
        operations=len(everything),
    )


def populate(worker: Worker, secrets: int, say: Callable[[str], None]) -> Iterator[Line]:
    """Makes the secrets, a namespace at once."""
    for start in range(0, secrets, NAMESPACE_SIZE):
        numbers = range(start, min(start + NAMESPACE_SIZE, secrets))
        line = worker.ask(
            "set_many", place(start)[0], [place(number)[1] for number in numbers], [worker.new_value() for _ in numbers]
        )
        if line.error is not None:
            raise SystemExit(f"filling the store failed: {line.error}")
        yield line
        if numbers.stop % 10_000 == 0:
            say(f"{numbers.stop} secrets made")


def read_all(worker: Worker, secrets: int, touched: set[tuple[str, str]]) -> Iterator[Line]:
    """What is there at the end: every version and counter, then every value that may have changed."""
    namespaces = [place(start)[0] for start in range(0, secrets, NAMESPACE_SIZE)]
    for namespace in namespaces:
        yield worker.ask("last", namespace, [], [])
    for namespace, names in itertools.groupby(sorted(touched), key=lambda each: each[0]):
        for _, name in names:
            yield worker.ask("get", namespace, [name], [])


def _by_phase(lines: list[Line], spans: list[tuple[float, float]]) -> list[list[Line]]:
    return [[line for line in lines if start * 1e9 <= line.start <= end * 1e9] for start, end in spans]


def _work(
    options: Options, keyring: Keyring, folder: Path, say: Callable[[str], None]
) -> tuple[list[Path], int, list[tuple[float, float]], int]:
    """Sets the processes to work. Gives their histories, how often one came too late, when each phase was, and cuts."""
    logs = [folder / f"process-{number}.jsonl" for number in range(1, options.processes + 1)]
    key = keyring.dangerous_export()
    processes = [
        _Process(
            Work(
                options.store,
                key,
                number,
                options.seed,
                options.mix,
                options.value_bytes,
                options.phases,
                str(log),
            ),
            HOSTS[options.hosts[(number - 1) % len(options.hosts)]],
        )
        for number, log in enumerate(logs, 1)
    ]
    cutter = _Cutter(options)
    spans: list[tuple[float, float]] = []
    try:
        for process in processes:
            process.await_ready()
        for phase in options.phases:
            say(f"{options.processes} processes, {phase.seconds:g} s on {phase.secrets} secrets")
            started = time.monotonic()
            for process in processes:
                process.go()
            cutter.start()
            while not all(process.is_ready() for process in processes):
                time.sleep(0.05)
                if int(time.monotonic() - started) > len(spans) and (time.monotonic() - started) % 5 < 0.05:
                    say(f"{time.monotonic() - started:.0f} s: {sum(process.done for process in processes)} operations")
            cutter.stop()
            spans.append((started, time.monotonic()))
        conflicts = sum(process.finish() for process in processes)
    finally:
        cutter.stop()
        for process in processes:
            process.end()
    return logs, conflicts, spans, cutter.cuts


class _Process:
    """A worker in a process of its own, and the thread that listens to it."""

    def __init__(self, work: Work, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._ready = threading.Semaphore(0)
        self.done = 0
        self._conflicts = 0
        self._number = work.process
        self._write(work.write())
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _write(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            message: dict[str, Any] = json.loads(text)
            self.done = message.get("done", self.done)
            self._conflicts = message.get("conflicts", self._conflicts)
            if "ready" in message:
                self._ready.release()

    def await_ready(self) -> None:
        while not self.is_ready():
            time.sleep(0.01)

    def is_ready(self) -> bool:
        """Whether it came to the end of a phase; stays so until the next one."""
        if self._waiting or self._ready.acquire(blocking=False):
            self._waiting = True
        elif not self._listener.is_alive():
            raise SystemExit(f"process {self._number} ended early; what it said stands above")
        return self._waiting

    _waiting = False

    def go(self) -> None:
        self._waiting = False
        self._write("go\n")

    def finish(self) -> int:
        """Waits for its end. Gives how often another writer came before this one."""
        self._listener.join()
        if self._process.wait() != 0:
            raise SystemExit(f"process {self._number} ended with {self._process.returncode}")
        return self._conflicts

    def end(self) -> None:
        """Whatever it is doing."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class _Cutter:
    """Cuts again and again while the processes work."""

    def __init__(self, options: Options) -> None:
        self._cut, self._every = options.cut, options.cut_every
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self.cuts = 0

    def start(self) -> None:
        if self._cut is not None:
            self._over.clear()
            self._thread = threading.Thread(target=self._run, args=(self._cut,), daemon=True)
            self._thread.start()

    def _run(self, cut: Callable[[], object]) -> None:
        while not self._over.wait(self._every):
            cut()
            self.cuts += 1

    def stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
