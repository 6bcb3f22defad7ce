"""The checker: is there one order of all operations that explains what each was told?

A secret is a register that can be absent: a write moves it on by exactly one version, a deletion empties it, and a read
tells of what is there. Each name is judged on its own. An operation takes effect at one instant between its start and
its end; one whose end nobody knows takes effect at any later instant, or never. The checker goes through the starts and
ends in order of time, and keeps every state that the secret may be in (Lowe, "Testing for linearizability"); when none
is left, what was just told cannot be explained. Values are all different and versions are told, so that few states are
ever possible.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from load.history import NOT_FOUND, Line

CONFIGURATIONS_MAX = 200_000
CONTEXT = 12
"""How many operations before the one that can't be explained are shown."""


class State(NamedTuple):
    """What is there."""

    version: int
    value: str
    accesses: int
    """Reads of this secret that count, of which the end is known."""


@dataclass(frozen=True, slots=True)
class Op:
    """One operation on one name."""

    kind: Literal["set", "rotate", "delete", "get", "verify", "exists", "version", "last"]
    start: int
    end: int
    told: Any
    asked: str | None = None
    process: int = -1
    is_known: bool = True

    @property
    def is_write(self) -> bool:
        return self.kind in ("set", "rotate", "delete")

    def show(self, zero: int) -> str:
        """One line for people."""
        asked = "" if self.asked is None else f" {self.asked}"
        told = self.told if self.is_known else "(nobody knows)"
        span = f"{(self.start - zero) / 1e6:.3f} to {(self.end - zero) / 1e6:.3f} ms"
        return f"process {self.process}: {self.kind}{asked} -> {told}, {span}"


@dataclass(frozen=True)
class Violation:
    """Something that no order of the operations explains."""

    name: str
    why: str
    operation: str
    history: list[str] = field(default_factory=list)
    """What came before it on that name, and beside it."""


def operations(lines: Iterable[Line]) -> dict[str, list[Op]]:
    """The operations on each name."""
    by_name: dict[str, list[Op]] = defaultdict(list)
    names: dict[str, set[str]] = defaultdict(set)
    lists = []
    for line in lines:
        names[line.namespace].update(line.names)
        if line.kind in ("list", "last"):
            lists.append(line)
        else:
            for name, op in _of_line(line):
                by_name[f"{line.namespace}/{name}"].append(op)
    for line in lists:
        kind: Any = "version" if line.kind == "list" else "last"
        missing = NOT_FOUND if line.kind == "list" else [NOT_FOUND, 0]
        # What was not listed was not there.
        for name in () if line.told is None else names[line.namespace] | line.told.keys():
            told = line.told.get(name, missing)
            by_name[f"{line.namespace}/{name}"].append(Op(kind, line.start, line.end, told, process=line.process))
    return by_name


def _of_line(line: Line) -> Iterator[tuple[str, Op]]:
    kind: Any = {"versions": "version", "set_many": "set", "get_many": "get"}.get(line.kind, line.kind)
    if line.kind == "get_many" and line.told == NOT_FOUND:
        return  # One of them is missing, and nobody knows which.
    is_known = line.told is not None
    for place, name in enumerate(line.names):
        asked = line.asked[place] if line.asked else None
        told = line.told[name] if is_known and line.kind in ("set_many", "get_many") else line.told
        yield name, Op(kind, line.start, line.end, told, asked, line.process, is_known)


def check(lines: Iterable[Line]) -> Iterator[Violation]:
    """What cannot be explained: the first thing of each name."""
    for name, ops in operations(lines).items():
        violation = check_name(name, ops)
        if violation is not None:
            yield violation


def check_name(name: str, ops: list[Op]) -> Violation | None:
    """Whether the operations on one name can be explained."""
    search = _Search(ops)
    failed = search.run()
    if failed is None:
        return None
    # An operation with an unknown end was not tried before it was needed: try it everywhere.
    search = _Search(ops, unknown_only_when_needed=False)
    failed = search.run()
    if failed is None:
        return None
    return _tell(name, ops, failed, search)


Done = frozenset[int]
"""Operations that took effect and have not ended."""
Configuration = tuple["State | None", Done]


class _Search:
    def __init__(self, ops: list[Op], *, unknown_only_when_needed: bool = True) -> None:
        self.ops = ops
        self.lazy = unknown_only_when_needed
        self.unknown_accesses = sum(1 for op in ops if not op.is_known and op.kind in ("get", "verify"))
        self.configurations: set[Configuration] = {(None, frozenset())}
        self.pending: set[int] = set()
        self.gave_up = False

    def run(self) -> int | None:
        """The first operation, by its end, that cannot be explained."""
        for _, is_end, index in sorted(self._instants()):
            if not is_end:
                self.pending.add(index)
                continue
            after = self._end(index)
            if not after:
                return index
            self.configurations = after
            self.pending.discard(index)
        return None

    def _instants(self) -> Iterator[tuple[int, bool, int]]:
        for index, op in enumerate(self.ops):
            if op.is_known or op.is_write:
                yield op.start, False, index
            if op.is_known:
                yield op.end, True, index

    def _end(self, index: int) -> set[Configuration]:
        """What is possible once an operation has ended: it took effect."""
        after = {(state, done - {index}) for state, done in self.configurations if index in done}
        level = {each for each in self.configurations if index not in each[1]}
        seen = set(level)
        # Those that need one more of the operations with an unknown end than the others.
        costly: set[Configuration] = set()
        while level or (costly and not (after and self.lazy)):
            if not level:
                level, costly = costly, set()
            found: set[Configuration] = set()
            for configuration in level:
                state, done = self._with_reads(configuration)
                if index in done:
                    after.add((state, done - {index}))
                    continue
                for other in self.pending - done:
                    if not self.ops[other].is_write:
                        continue
                    moved = self._effect(other, state)
                    if moved is False:
                        continue
                    if other == index:
                        after.add(self._with_reads((moved, done)))
                        continue
                    reached = (moved, done | {other})
                    if reached not in seen:
                        seen.add(reached)
                        (found if self.ops[other].is_known or not self.lazy else costly).add(reached)
            level = found
            if len(seen) > CONFIGURATIONS_MAX:
                self.gave_up = True
                return after
        return after

    def _with_reads(self, configuration: Configuration) -> Configuration:
        """With every pending read that the state explains: none changes what others see, so the sooner the better."""
        state, done = configuration
        for index in self.pending - done:
            if not self.ops[index].is_write:
                moved = self._effect(index, state)
                if moved is not False:
                    state, done = moved, done | {index}
        return state, done

    def _effect(self, index: int, state: State | None) -> State | Literal[False] | None:
        """The state after an operation, if it was told what it is to be told in this one."""
        op = self.ops[index]
        told = op.told
        if not op.is_known:
            return self._unknown_effect(op, state)
        if op.kind == "last":
            version, accessed = told
            if state is None or version == NOT_FOUND:
                return state if state is None and version == NOT_FOUND else False
            most = state.accesses + self.unknown_accesses
            return state if version == state.version and state.accesses <= accessed <= most else False
        if op.kind == "exists":
            return state if told == (state is not None) else False
        if op.kind == "set":
            wanted = [1, True] if state is None else [state.version + 1, False]
            return self._written(op, state) if told == wanted else False
        if state is None or told == NOT_FOUND:
            return state if state is None and told == NOT_FOUND else False
        if op.kind == "rotate":
            return self._written(op, state) if told == [state.version + 1, False] else False
        if op.kind == "delete":
            return None
        if op.kind == "get":
            right = told == [state.version, state.value]
        elif op.kind == "verify":
            right = told == (state.version if op.asked == state.value else 0)
        else:
            right = told == state.version or told == _numbers(state.version)
        counts = op.kind == "get" or (op.kind == "verify" and told != 0)
        return state._replace(accesses=state.accesses + counts) if right else False

    def _unknown_effect(self, op: Op, state: State | None) -> State | Literal[False] | None:
        if op.kind == "set" or (op.kind == "rotate" and state is not None):
            return self._written(op, state)
        return None if op.kind == "delete" and state is not None else False

    def _written(self, op: Op, state: State | None) -> State:
        if state is None:
            return State(1, op.asked or "", 0)
        return State(state.version + 1, op.asked or "", state.accesses)


def _numbers(version: int) -> list[int]:
    """The versions that are kept: the last ten without a gap."""
    return list(range(version, max(version - 10, 0), -1))


def _tell(name: str, ops: list[Op], failed: int, search: _Search) -> Violation:
    op, zero = ops[failed], min(each.start for each in ops)
    before = sorted((each for each in ops if each.start <= op.end and each is not op), key=lambda each: each.end)
    beside = [each for each in before if each.end >= op.start]
    earlier = [each for each in before if each.end < op.start][-CONTEXT:]
    why = "too many orders are possible to try them all" if search.gave_up else _why(op, ops)
    history = [each.show(zero) for each in [*earlier, *sorted(beside, key=lambda each: each.start)]]
    return Violation(name, why, op.show(zero), history)


def _why(op: Op, ops: list[Op]) -> str:
    """The likeliest reason in words; that there is no order is certain whatever it says."""
    # Versions begin again after a deletion: what is told of them then, only the order can say.
    deleted = [each for each in ops if each.kind == "delete" and each.told != NOT_FOUND and each.start < op.end]
    if op.kind == "get" and op.told != NOT_FOUND:
        version, value = op.told
        writers = [each for each in ops if each.is_write and each.asked == value]
        if not writers:
            return "the value was never written"
        if writers[0].start > op.end:
            return "the value was written only later"
        if writers[0].is_known and writers[0].told[0] != version:
            return f"its writer was told version {writers[0].told[0]}"
        newer = [each for each in ops if each.is_write and writers[0].end < each.start and each.end < op.start]
        if any(each.is_known and each.told != NOT_FOUND for each in newer):
            return "it is older than a write that had ended before (a stale read)"
    if op.kind in ("set", "rotate") and op.told != NOT_FOUND and not deleted:
        others = [each for each in ops if each is not op and each.kind in ("set", "rotate") and each.is_known]
        if any(each.told == op.told for each in others):
            return "its version was told to two writers (a lost update)"
        return "its version does not follow the one before (a write was lost, or done twice)"
    if op.kind == "last" and op.told[0] != NOT_FOUND:
        return "the last version, or the number of accesses, is not what the operations come to"
    if op.told == NOT_FOUND or (op.kind == "exists" and not op.told):
        return "it is missing, and nothing deleted it"
    if deleted:
        return "no order explains it; it was deleted before (a forgotten deletion, or a lost write)"
    return "no order of the operations explains it"
