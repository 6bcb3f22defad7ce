"""Rounds: every side has its turn in each of them, so that what slows the machine down slows all sides down.

A side makes one call for each of its inputs, which are all different. Rounds begin with another side each time.
"""

from __future__ import annotations

import gc
import sys
from dataclasses import asdict, dataclass
from time import thread_time_ns
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROUNDS = 21


@dataclass(frozen=True)
class Side:
    """One implementation of an operation."""

    name: str
    calls: int
    """How many calls a turn makes."""
    turn: Callable[[], None]


@dataclass(frozen=True)
class Comparison:
    """Two sides to be compared, by name, and by how much the first should be faster: nothing where it is told only."""

    ours: str
    peer: str
    target: float | None = None


@dataclass(frozen=True)
class Contest:
    """One operation on values of one size, for all sides that can do it."""

    operation: str
    size: str
    sides: list[Side]
    comparisons: list[Comparison]
    clock: Callable[[], int] = thread_time_ns
    """Processor time, which other programs hardly change; for what waits, such as for a disk, another one."""


def over(name: str, call: Callable[[Any], object], inputs: Sequence[object]) -> Side:
    """A side that calls with each of the inputs in turn, and keeps nothing of what it gets."""

    def turn() -> None:
        for value in inputs:
            call(value)

    return Side(name, len(inputs), turn)


def distinct(inputs: list[bytes]) -> list[bytes]:
    """The inputs themselves. Raises `ValueError` when two are the same: a repeated one could be served from a cache."""
    if len(set(inputs)) != len(inputs):
        raise ValueError("two inputs are the same")
    return inputs


def run(contest: Contest) -> dict[str, Any]:
    """Runs a contest: nanoseconds per call of every side in every round, after one round that is not counted."""
    print(f"    {contest.operation}, {contest.size}", file=sys.stderr, flush=True)
    rounds: dict[str, list[float]] = {side.name: [] for side in contest.sides}
    for side in contest.sides:
        side.turn()
    gc.disable()
    for number in range(ROUNDS):
        first = number % len(contest.sides)
        for side in contest.sides[first:] + contest.sides[:first]:
            started = contest.clock()
            side.turn()
            rounds[side.name].append((contest.clock() - started) / side.calls)
    gc.enable()
    return {
        "operation": contest.operation,
        "size": contest.size,
        "calls": {side.name: side.calls for side in contest.sides},
        "rounds": rounds,
        "comparisons": [asdict(comparison) for comparison in contest.comparisons],
    }
