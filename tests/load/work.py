"""One process at work: it does what chance tells it, and writes down what it was told."""

from __future__ import annotations

import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from strongroom import Keyring, Vault
from strongroom.errors import SecretNotFoundError, StrongroomError

from load.history import NOT_FOUND, Kind, Line, Told
from load.stores import open_store

NAMESPACE_SIZE = 250
"""How many secrets a namespace holds: a page of the population, and what one list reads."""
PAUSE = 0.1
"""How long a process waits after an error, in seconds, as a caller would: a server that is away is away for all."""
MANY = 3
"""How many secrets `get_many` and `set_many` are about."""

MIX: dict[Kind, int] = {
    "get": 60,
    "set": 12,
    "rotate": 8,
    "verify": 8,
    "exists": 4,
    "versions": 2,
    "get_many": 2,
    "set_many": 1,
    "delete": 2,
    "list": 1,
}
"""What is done how often, in a hundred operations."""


@dataclass(frozen=True)
class Phase:
    """A time of the run, and on how many of the secrets."""

    seconds: float
    secrets: int


@dataclass(frozen=True)
class Work:
    """What a process is to do."""

    store: str
    key: str
    process: int
    seed: int
    mix: dict[Kind, int]
    value_bytes: int
    phases: list[Phase]
    log: str

    def write(self) -> str:
        """As a line of JSON."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def read(cls, text: str) -> Work:
        told = json.loads(text)
        return cls(**{**told, "phases": [Phase(**phase) for phase in told["phases"]]})


def place(number: int) -> tuple[str, str]:
    """The namespace and the name of a secret."""
    return f"load-{number // NAMESPACE_SIZE:05}", f"SECRET_{number:07}"


def chance(seed: int, process: int) -> random.Random:
    """What a process chooses by: the same again for the same seed."""
    return random.Random(f"{seed}/{process}")  # noqa: S311


class Worker:
    """Does operations on a vault and gives a line for each."""

    def __init__(self, vault: Vault, process: int, chance: random.Random, value_bytes: int) -> None:
        self.vault, self.process, self.chance = vault, process, chance
        self.actor = f"process-{process}"
        self.value_bytes, self.values = value_bytes, 0
        self.seen: dict[tuple[str, str], str] = {}

    def new_value(self) -> str:
        """A value that no other process writes, nor this one again."""
        self.values += 1
        return f"{self.process}.{self.values}.".ljust(self.value_bytes, "x")

    def do(self, kind: Kind, secrets: int) -> Line:
        """One operation, on a secret that chance chooses."""
        first = self.chance.randrange(secrets)
        namespace, name = place(first)
        names = [] if kind == "list" else [name]
        if kind in ("get_many", "set_many"):
            start = first - first % NAMESPACE_SIZE
            others = [self.chance.randrange(start, min(start + NAMESPACE_SIZE, secrets)) for _ in range(MANY)]
            names = sorted({place(number)[1] for number in others})
        return self.ask(kind, namespace, names, self._asked(kind, namespace, names))

    def ask(self, kind: Kind, namespace: str, names: list[str], asked: list[str]) -> Line:
        """One operation, and what came of it."""
        told: Told = None
        error = None
        start = time.monotonic_ns()
        try:
            told = getattr(self, f"_{kind}")(namespace, names, asked)
        except SecretNotFoundError:
            told = NOT_FOUND
        except StrongroomError as raised:
            error = f"{raised.code}: {raised} (caused by {raised.__cause__!r})"
        return Line(self.process, kind, namespace, names, asked, start, time.monotonic_ns(), told, error)

    def _asked(self, kind: Kind, namespace: str, names: list[str]) -> list[str]:
        if kind in ("set", "rotate", "set_many"):
            return [self.new_value() for _ in names]
        if kind != "verify":
            return []
        seen = self.seen.get((namespace, names[0]))
        return [seen if seen is not None and self.chance.random() < 0.8 else self.new_value()]

    def _set(self, namespace: str, names: list[str], asked: list[str]) -> Told:
        written = self.vault.set(names[0], asked[0], actor=self.actor, namespace=namespace)
        self.seen[namespace, names[0]] = asked[0]
        return [written.version, written.created]

    def _rotate(self, namespace: str, names: list[str], asked: list[str]) -> Told:
        written = self.vault.rotate(names[0], asked[0], actor=self.actor, namespace=namespace)
        self.seen[namespace, names[0]] = asked[0]
        return [written.version, written.created]

    def _delete(self, namespace: str, names: list[str], _: list[str]) -> Told:
        self.vault.delete(names[0], actor=self.actor, namespace=namespace)
        return True

    def _get(self, namespace: str, names: list[str], _: list[str]) -> Told:
        return self._revealed(namespace, names[0], self.vault.get(names[0], actor=self.actor, namespace=namespace))

    def _revealed(self, namespace: str, name: str, secret: Any) -> Told:
        value = secret.reveal()
        self.seen[namespace, name] = value
        return [secret.details.version, value]

    def _verify(self, namespace: str, names: list[str], asked: list[str]) -> Told:
        verified = self.vault.verify(names[0], asked[0], actor=self.actor, namespace=namespace)
        return verified.version if verified else 0

    def _exists(self, namespace: str, names: list[str], _: list[str]) -> Told:
        return self.vault.exists(names[0], actor=self.actor, namespace=namespace)

    def _versions(self, namespace: str, names: list[str], _: list[str]) -> Told:
        return [each.number for each in self.vault.versions(names[0], actor=self.actor, namespace=namespace)]

    def _list(self, namespace: str, _: list[str], __: list[str]) -> Told:
        return {each.name: each.version for each in self.vault.list(actor=self.actor, namespace=namespace)}

    def _last(self, namespace: str, _: list[str], __: list[str]) -> Told:
        listed = self.vault.list(actor=self.actor, namespace=namespace)
        return {each.name: [each.version, each.accessed_count] for each in listed}

    def _get_many(self, namespace: str, names: list[str], _: list[str]) -> Told:
        read = self.vault.get_many(names, actor=self.actor, namespace=namespace)
        return {name: self._revealed(namespace, name, secret) for name, secret in read.items()}

    def _set_many(self, namespace: str, names: list[str], asked: list[str]) -> Told:
        values = dict(zip(names, asked, strict=True))
        written = self.vault.set_many(values, actor=self.actor, namespace=namespace).written
        return {each.name: [each.version, each.created] for each in written}


def steps(worker: Worker, mix: dict[Kind, int], phase: Phase, now: Callable[[], float]) -> Iterator[Line]:
    """Operations until the phase is over."""
    kinds, weights = [*mix], [*mix.values()]
    end = now() + phase.seconds
    while now() < end:
        line = worker.do(worker.chance.choices(kinds, weights)[0], phase.secrets)
        yield line
        if line.error is not None:
            time.sleep(PAUSE)


def main() -> None:
    """Reads the work and then `go` for each phase; tells how much is done once a second, and conflicts at the end."""
    work = Work.read(sys.stdin.readline())
    with open_store(work.store) as store, Path(work.log).open("w", encoding="utf-8") as log:
        vault = Vault(Keyring.parse(work.key), store)
        worker = Worker(vault, work.process, chance(work.seed, work.process), work.value_bytes)
        say({"ready": True})
        done, told_at = 0, time.monotonic()
        for phase in work.phases:
            sys.stdin.readline()
            for line in steps(worker, work.mix, phase, time.monotonic):
                log.write(line.write())
                done += 1
                if time.monotonic() - told_at >= 1:
                    told_at = time.monotonic()
                    say({"done": done})
            say({"ready": True})
        say({"conflicts": conflicts(vault)})


def conflicts(vault: Vault) -> int:
    """How often another writer came first."""
    found = re.search(r"^strongroom_commit_conflicts_total (\d+)$", vault.metrics(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
