"""The conformance kit: right stores pass, and each broken one is told what is wrong with it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

import pytest

from asynchronous import AsyncioStore
from strongroom import Keyring, Vault
from strongroom.errors import InvalidArgumentError, StorageFailedError
from strongroom.stores import AsyncStore, CommitAnswer, MemoryStore, SQLiteStore, Store
from strongroom.testing import StoreContractError, check_store, check_store_async

Json = dict[str, Any]
Jsons = list[Json]
Key = tuple[str, ...]


def check_in_a_loop(store: Store) -> list[str]:
    """The kit for asyncio, over callbacks that suspend."""
    return asyncio.run(check_store_async(AsyncioStore(store)))


def check_in_threads(store: Store) -> list[str]:
    """The kit for asyncio, over synchronous callbacks."""
    return asyncio.run(check_store_async(store))


Kit = Callable[[Store], list[str]]
CHECKS = [
    "all_or_nothing",
    "compare_and_swap",
    "compare_and_swap_of_each_record",
    "counters_stand_beside_records",
    "cursors",
    "events_are_kept",
    "idempotent_by_operation_id",
    "load_gives_what_was_asked",
    "lookups",
    "names_are_exact",
    "page_order",
    "places_of_events_are_unique",
    "queries_are_exact",
    "reads_are_fresh",
    "values_are_kept_whole",
]
KITS: list[Kit] = [check_store, check_in_a_loop, check_in_threads]


class Rows:
    """A right store of dicts, in pieces that the broken ones below replace one at a time."""

    def __init__(self) -> None:
        self.records: dict[Key, Json] = {}
        self.indexes: dict[Key, Json] = {}
        self.log: list[Json] = []

    # What is written, and under which conditions.

    def key(self, key: Json) -> Key:
        return key["kind"], key["namespace"], key["name"]

    def is_applied(self, operation_id: str) -> bool:
        return any(event["operation_id"] == operation_id for event in self.log)

    def expectations(self, change_set: Json) -> list[Json]:
        puts = [{"key": put["record"]["key"], "expected": put["expected"]} for put in change_set["puts"]]
        return [*puts, *change_set["deletes"], *change_set["checks"]]

    def is_as_expected(self, key: Json, expected: Any) -> bool:
        record = self.records.get(self.key(key))
        return bool(expected == ("absent" if record is None else {"revision": record["revision"]}))

    def is_taken(self, event: Json) -> bool:
        return any((old["stream"], old["seq"]) == (event["stream"], event["seq"]) for old in self.log)

    def refuse(self, change_set: Json) -> CommitAnswer:
        return "conflict"

    def commit(self, change_set: Json, /) -> CommitAnswer:
        if self.is_applied(change_set["operation_id"]):
            return "committed"
        right = all(self.is_as_expected(each["key"], each["expected"]) for each in self.expectations(change_set))
        if not right or any(self.is_taken(event) for event in change_set["events"]):
            return self.refuse(change_set)
        for put in change_set["puts"]:
            self.put(put["record"])
            self.index(put["record"]["key"], put.get("index", {}))
        for delete in change_set["deletes"]:
            self.records.pop(self.key(delete["key"]), None)
            self.indexes.pop(self.key(delete["key"]), None)
        for delta in change_set["counters"]:
            self.count(self.records[self.key(delta["key"])]["counters"], delta)
        self.append(change_set)
        return "committed"

    def put(self, record: Json) -> None:
        key = self.key(record["key"])
        self.records[key] = {**record, "counters": self.records.get(key, record)["counters"]}

    def index(self, key: Json, index: Json) -> None:
        self.indexes[self.key(key)] = index

    def count(self, counters: Json, delta: Json) -> None:
        counters["accessed_count"] += delta["accessed"]
        counters["last_accessed"] = max(counters["last_accessed"] or 0, delta["at"])

    def append(self, change_set: Json) -> None:
        self.log += change_set["events"]

    # What is read, and in which order.

    def load(self, keys: list[Json], /) -> list[Json]:
        return [self.records[self.key(key)] for key in keys if self.key(key) in self.records]

    def order(self, key: Json) -> Any:
        return key["namespace"], key["name"]

    def is_listed(self, query: Json, key: Json) -> bool:
        return key["kind"] == query["kind"] and query["namespace"] in (None, key["namespace"])

    def found_at(self, by: Json | None, index: Json) -> int | None:
        """The instant that a record is found by, 0 when it is found without one, nothing when it is not found."""
        if by is None:
            return 0
        [(what, sought)] = by.items()
        if what == "fingerprint":
            return 0 if sought in index.get("fingerprints", []) else None
        at: int | None = index.get({"due": "due_at", "expired": "expires_at"}[what])
        return at if at is not None and at <= sought else None

    def list(self, query: Json, cursor: str | None, /) -> Json:
        rows = []
        for key, record in self.records.items():
            at = self.found_at(query.get("by"), self.indexes.get(key, {}))
            if at is not None and self.is_listed(query, record["key"]):
                rows.append({"at": at, "key": record["key"], "revision": record["revision"]})
        rows.sort(key=lambda row: (row["at"], self.order(row["key"])))
        page = self.page("items", rows, query["limit"], cursor)
        return {**page, "items": [{"key": row["key"], "revision": row["revision"]} for row in page["items"]]}

    def events(self, query: Json, cursor: str | None, /) -> Json:
        scope = query["scope"]
        if scope == "chained":
            events = sorted((event for event in self.log if event["stream"]), key=lambda event: self.place(event))
        elif scope == "unchained":
            events = [event for event in self.log if not event["stream"]]
        else:
            events = [event for event in self.latest() if scope == "latest" or self.is_of(event, scope["slot"])]
        return self.page("events", events, query["limit"], cursor)

    def latest(self) -> Iterator[Json]:
        return reversed(self.log)

    def place(self, event: Json) -> Any:
        return event["stream"], event["seq"]

    def is_of(self, event: Json, slot: Json) -> bool:
        return bool(slot == {"namespace": event["namespace"], "name": event["name"]})

    def identity(self, row: Json) -> Any:
        """What a cursor says of the last row of a page."""
        return [row["mac"], row["stream"], row["seq"]] if "stream" in row else [row["at"], *self.order(row["key"])]

    def page(self, kind: str, rows: Jsons, limit: int, cursor: str | None) -> Json:
        if cursor is not None:
            last = json.loads(cursor)
            if kind == "items":
                rows = [row for row in rows if self.identity(row) > last]
            else:
                rows = rows[[self.identity(row) for row in rows].index(last) + 1 :]
        page = rows[:limit]
        return {kind: page, "cursor": json.dumps(self.identity(page[-1])) if len(page) < len(rows) else None}


# Ten stores, each with one fault, and what each is told.


class NoCompareAndSwap(Rows):
    def is_as_expected(self, key: Json, expected: Any) -> bool:
        return True


class ComparesTheFirstRecordOnly(Rows):
    def expectations(self, change_set: Json) -> list[Json]:
        return super().expectations(change_set)[:1]


class CommitsInPart(Rows):
    def refuse(self, change_set: Json) -> CommitAnswer:
        for put in change_set["puts"]:
            if self.is_as_expected(put["record"]["key"], put["expected"]):
                self.put(put["record"])
        return "conflict"


class ForgetsEventsOfDeletions(Rows):
    def append(self, change_set: Json) -> None:
        if not change_set["deletes"]:
            super().append(change_set)


class KnowsNoOperationIds(Rows):
    def is_applied(self, operation_id: str) -> bool:
        return False


class OrdersWithoutCase(Rows):
    def order(self, key: Json) -> Any:
        return key["namespace"].lower(), key["name"].lower(), key["name"]


class LosesTheCursor(Rows):
    def page(self, kind: str, rows: Jsons, limit: int, cursor: str | None) -> Json:
        return super().page(kind, rows, limit, None)


class CutsValues(Rows):
    def put(self, record: Json) -> None:
        columns = record["columns"]
        super().put({**record, "columns": {**columns, "value_encrypted": (columns["value_encrypted"] or "")[:255]}})


class ReadsFromACache(Rows):
    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[str, list[Json]] = {}

    def load(self, keys: list[Json], /) -> list[Json]:
        return self.cache.setdefault(json.dumps(keys), super().load(keys))


class FoldsNames(Rows):
    def key(self, key: Json) -> Key:
        return key["kind"], key["namespace"], key["name"].lower()


TEN: list[tuple[type[Rows], str, str]] = [
    (NoCompareAndSwap, "compare_and_swap", "`commit` applied a put that expects no record, where one is, instead of"),
    (ComparesTheFirstRecordOnly, "compare_and_swap_of_each_record", "of another record, or of one record only"),
    (CommitsInPart, "all_or_nothing", "found a later put not as expected, and applied a put all the same"),
    (ForgetsEventsOfDeletions, "events_are_kept", "committed with a deletion is missing in the scope `chained`"),
    (KnowsNoOperationIds, "idempotent_by_operation_id", "applied before is answered `conflict`, at once"),
    (OrdersWithoutCase, "page_order", "`list` is not ordered by namespace and then name, byte by byte"),
    (LosesTheCursor, "cursors", "the pages of `list` do not give every record once: a cursor was lost"),
    (CutsValues, "values_are_kept_whole", "`value_encrypted` of a secret came back otherwise than it was put"),
    (ReadsFromACache, "reads_are_fresh", "`load` showed an earlier state than the commit before it made"),
    (FoldsNames, "names_are_exact", "`load` of one key gave other records"),
]


# What else is easily got wrong.


class JoinsNamesWithASlash(Rows):
    def key(self, key: Json) -> Key:
        return (f"{key['kind']}/{key['namespace']}/{key['name']}",)


class LooksForEventsByNameAlone(Rows):
    def is_of(self, event: Json, slot: Json) -> bool:
        return super().is_of({**event, "namespace": slot["namespace"]}, slot)


class IgnoresTheLimit(Rows):
    def page(self, kind: str, rows: Jsons, limit: int, cursor: str | None) -> Json:
        return super().page(kind, rows, len(rows), cursor)


class IgnoresTheLimitOfEvents(Rows):
    def page(self, kind: str, rows: Jsons, limit: int, cursor: str | None) -> Json:
        return super().page(kind, rows, limit if kind == "items" else len(rows), cursor)


class CountsRowsForCursors(Rows):
    def page(self, kind: str, rows: Jsons, limit: int, cursor: str | None) -> Json:
        start = int(cursor or 0)
        end = start + limit
        return {kind: rows[start:end], "cursor": str(end) if end < len(rows) else None}


class CountsEventsForCursors(Rows):
    def page(self, kind: str, rows: Jsons, limit: int, cursor: str | None) -> Json:
        if kind == "items":
            return super().page(kind, rows, limit, cursor)
        return CountsRowsForCursors().page(kind, rows, limit, cursor)


class PagesByNameAlone(Rows):
    def page(self, kind: str, rows: Jsons, limit: int, cursor: str | None) -> Json:
        if kind == "events":
            return super().page(kind, rows, limit, cursor)
        rows = [row for row in rows if cursor is None or row["key"]["name"] > cursor]
        return {kind: rows[:limit], "cursor": rows[limit - 1]["key"]["name"] if limit < len(rows) else None}


class ListsAllWhateverItIsAskedFor(Rows):
    def found_at(self, by: Json | None, index: Json) -> int | None:
        return 0


class TakesTheBeginningOfTimeForNone(Rows):
    def found_at(self, by: Json | None, index: Json) -> int | None:
        return super().found_at(by, {field: value for field, value in index.items() if value})


class KeepsTheIndexOfAnEarlierPut(Rows):
    def index(self, key: Json, index: Json) -> None:
        super().index(key, {**self.indexes.get(self.key(key), {}), **index})


class EndsWithAnEmptyPage(Rows):
    def page(self, kind: str, rows: Jsons, limit: int, cursor: str | None) -> Json:
        page = {kind: [], "cursor": None} if cursor == "end" else super().page(kind, rows, limit, cursor)
        return {**page, "cursor": page["cursor"] or "end"}


class TakesAnEmptyNamespaceForAll(Rows):
    def is_listed(self, query: Json, key: Json) -> bool:
        return super().is_listed({**query, "namespace": query["namespace"] or None}, key)


class ListsEveryKind(Rows):
    def is_listed(self, query: Json, key: Json) -> bool:
        return query["namespace"] in (None, key["namespace"])


class OrdersByCodeUnits(Rows):
    def order(self, key: Json) -> Any:
        return [key["namespace"].encode("utf-16-be").hex(), key["name"].encode("utf-16-be").hex()]


class OrdersLatestByTime(Rows):
    def latest(self) -> Iterator[Json]:
        return iter(sorted(super().latest(), key=lambda event: event["at"], reverse=True))


class OrdersPlacesAsText(Rows):
    def place(self, event: Json) -> Any:
        return event["stream"], str(event["seq"])


class PutsResetCounters(Rows):
    def put(self, record: Json) -> None:
        self.records[self.key(record["key"])] = record


class AddsNoCounters(Rows):
    def count(self, counters: Json, delta: Json) -> None:
        counters.update(accessed_count=delta["accessed"], last_accessed=delta["at"])


class LetsTheLastAccessGoBack(Rows):
    def count(self, counters: Json, delta: Json) -> None:
        counters.update(accessed_count=counters["accessed_count"] + delta["accessed"], last_accessed=delta["at"])


class TakesTwoEventsAtOnePlace(Rows):
    def is_taken(self, event: Json) -> bool:
        return False


class NumbersEventsAcrossStreams(Rows):
    def is_taken(self, event: Json) -> bool:
        return any(old["seq"] == event["seq"] and old["name"] == event["name"] for old in self.log)


class DeletesEventsWithTheirSecret(Rows):
    def append(self, change_set: Json) -> None:
        gone = [self.order(delete["key"]) for delete in change_set["deletes"]]
        self.log = [event for event in self.log if (event["namespace"], event["name"]) not in gone]
        super().append(change_set)


class NotesOperationsBeforeItLooks(Rows):
    def __init__(self) -> None:
        super().__init__()
        self.noted: set[str] = set()

    def is_applied(self, operation_id: str) -> bool:
        known = operation_id in self.noted
        self.noted.add(operation_id)
        return known


class KnowsTheLastOperationOnly(Rows):
    def is_applied(self, operation_id: str) -> bool:
        return bool(self.log) and bool(self.log[-1]["operation_id"] == operation_id)


class GivesMoreThanAsked(Rows):
    def load(self, keys: list[Json], /) -> list[Json]:
        return [*self.records.values()]


class GivesWhatItHasTwice(Rows):
    def load(self, keys: list[Json], /) -> list[Json]:
        return super().load(keys) * 2


class TakesEmptyForAbsent(Rows):
    def put(self, record: Json) -> None:
        columns = {field: None if value == "" else value for field, value in record["columns"].items()}
        super().put({**record, "columns": columns})


class TakesZeroForAbsent(Rows):
    def put(self, record: Json) -> None:
        super().put({**record, "columns": {**record["columns"], "created_at": record["columns"]["created_at"] or None}})


class RewritesJson(Rows):
    def put(self, record: Json) -> None:
        super().put({**record, "data": json.dumps(json.loads(record["data"]))})


class RoundsTimesToSeconds(Rows):
    def put(self, record: Json) -> None:
        times = {field: record["columns"][field] for field in ("last_rotated", "created_at", "updated_at")}
        seconds = {field: at and at // 1000 * 1000 for field, at in times.items()}
        super().put({**record, "columns": {**record["columns"], **seconds}})


class KeepsColumnsOfSecretsOnly(Rows):
    def put(self, record: Json) -> None:
        super().put(record if record["key"]["kind"] == "secret" else {**record, "columns": {}})


class DropsFieldsOfEvents(Rows):
    def append(self, change_set: Json) -> None:
        self.log += [{**event, "digest": None} for event in change_set["events"]]


class KeepsNothing(Rows):
    def commit(self, change_set: Json, /) -> CommitAnswer:
        return "committed"


MORE: list[tuple[type[Rows], str, str]] = [
    (JoinsNamesWithASlash, "names_are_exact", "`load` of one key gave other records"),
    (LooksForEventsByNameAlone, "names_are_exact", 'the events of "key" are not its own alone'),
    (IgnoresTheLimit, "cursors", "`list` gave more than the limit"),
    (IgnoresTheLimitOfEvents, "cursors", "`events` gave more than the limit"),
    (CountsRowsForCursors, "cursors", "written or deleted between two pages of `list` shifted the next page"),
    (CountsEventsForCursors, "cursors", "whatever is appended meanwhile: a cursor was lost, in the scope `slot`"),
    (PagesByNameAlone, "cursors", "a cursor is a namespace and a name"),
    (EndsWithAnEmptyPage, "cursors", "gave an empty page and a cursor"),
    (ListsAllWhateverItIsAskedFor, "lookups", "`list` by `due` gave records that were not asked for"),
    (TakesTheBeginningOfTimeForNone, "lookups", "`list` by `due` did not give every record that it is to find"),
    (KeepsTheIndexOfAnEarlierPut, "lookups", "found a record whose last put came without an index"),
    (TakesAnEmptyNamespaceForAll, "queries_are_exact", "the empty namespace of a `list` was taken for any"),
    (ListsEveryKind, "queries_are_exact", "did not give exactly its own records"),
    (OrdersByCodeUnits, "page_order", "byte by byte in UTF-8"),
    (OrdersLatestByTime, "page_order", "the last one first, whatever their times"),
    (OrdersPlacesAsText, "page_order", "2 before 10"),
    (PutsResetCounters, "counters_stand_beside_records", "a put set the counters of an existing record back"),
    (AddsNoCounters, "counters_stand_beside_records", "counters do not add up"),
    (LetsTheLastAccessGoBack, "counters_stand_beside_records", "the last access went backwards"),
    (TakesTwoEventsAtOnePlace, "places_of_events_are_unique", "(stream, seq) is unique"),
    (NumbersEventsAcrossStreams, "places_of_events_are_unique", "that is free was answered `conflict`"),
    (DeletesEventsWithTheirSecret, "events_are_kept", "is missing in the scope `chained`"),
    (NotesOperationsBeforeItLooks, "idempotent_by_operation_id", "it is to be judged again"),
    (KnowsTheLastOperationOnly, "idempotent_by_operation_id", "answered `conflict`, after a later change"),
    (GivesMoreThanAsked, "load_gives_what_was_asked", "`load` of no keys gave records"),
    (GivesWhatItHasTwice, "load_gives_what_was_asked", "exactly the two that exist, each once"),
    (TakesEmptyForAbsent, "values_are_kept_whole", "`created_by` of a secret"),
    (TakesZeroForAbsent, "values_are_kept_whole", "`created_at` of a secret"),
    (RewritesJson, "values_are_kept_whole", "`data` of a secret"),
    (RoundsTimesToSeconds, "values_are_kept_whole", "`last_rotated` of a secret"),
    (KeepsColumnsOfSecretsOnly, "values_are_kept_whole", "`created_by` of a pending"),
    (DropsFieldsOfEvents, "values_are_kept_whole", "an event did not come back field for field"),
    (KeepsNothing, "load_gives_what_was_asked", "exactly the two that exist"),
]


def assert_told(kit: Kit, broken: type[Rows], check: str, says: str) -> None:
    with pytest.raises(StoreContractError) as raised:
        kit(broken())
    failures = {failure.check: failure.says for failure in raised.value.failures}
    assert says in failures.get(check, ""), f"{broken.__name__} is told {failures}"
    lines = str(raised.value).splitlines()
    assert lines[0] == "the store breaks the storage contract:"
    assert lines[1:] == [f"  {name}: {line}" for name, line in failures.items()]
    assert sorted([*failures, *raised.value.passed]) == CHECKS


@pytest.mark.parametrize("kit", KITS)
def test_the_stores_of_this_package_pass(kit: Kit, store: Store) -> None:
    assert sorted(kit(store)) == CHECKS


@pytest.mark.parametrize("kit", KITS[:2])
@pytest.mark.parametrize(("broken", "check", "says"), TEN)
def test_each_of_the_ten_broken_stores_is_caught_by_its_check(
    kit: Kit, broken: type[Rows], check: str, says: str
) -> None:
    assert_told(kit, broken, check, says)


@pytest.mark.parametrize(("broken", "check", "says"), MORE)
def test_other_faults_are_caught(broken: type[Rows], check: str, says: str) -> None:
    assert_told(check_store, broken, check, says)


# Stores of other habits, all of them right.


class LeavesOutNulls(Rows):
    """Absent and null are one."""

    def load(self, keys: list[Json], /) -> list[Json]:
        records = super().load(keys)
        return [{**record, "columns": without_nulls(record["columns"])} for record in map(without_nulls, records)]

    def page(self, kind: str, rows: Jsons, limit: int, cursor: str | None) -> Json:
        page = super().page(kind, rows, limit, cursor)
        return without_nulls({**page, kind: [without_nulls(row) for row in page[kind]]})


def without_nulls(fields: Json) -> Json:
    return {field: value for field, value in fields.items() if value is not None}


class LoadsInItsOwnOrder(Rows):
    def load(self, keys: list[Json], /) -> list[Json]:
        return sorted(super().load(keys), key=lambda record: hash(record["data"]))


class EndsWithAnEmptyLastPage(Rows):
    def page(self, kind: str, rows: Jsons, limit: int, cursor: str | None) -> Json:
        page = super().page(kind, rows, limit, cursor)
        full = len(page[kind]) == limit
        return {**page, "cursor": json.dumps(self.identity(page[kind][-1])) if full else None}


@pytest.mark.parametrize("right", [Rows, LeavesOutNulls, LoadsInItsOwnOrder, EndsWithAnEmptyLastPage])
def test_right_stores_of_other_habits_pass(right: type[Rows]) -> None:
    assert len(check_store(right())) == 15


# Stores that raise, or answer in another shape: the kit ends, and says at which request, and why.


class With(Rows):
    """A store whose answers to one kind of request are changed."""

    def __init__(self, kind: str, change: Callable[[Any], Any]) -> None:
        super().__init__()
        answer = getattr(self, kind)
        setattr(self, kind, lambda *asked: change(answer(*asked)))


def each_record(**fields: Any) -> Callable[[Any], Any]:
    return lambda records: [{**record, **fields} for record in records]


def in_columns(**columns: Any) -> Callable[[Any], Any]:
    return lambda records: [{**record, "columns": {**record["columns"], **columns}} for record in records]


async def agenerator(rows: Any) -> Any:
    for row in rows:
        yield row


SHAPES: list[tuple[str, str, Callable[[Any], Any], type[BaseException] | None]] = [
    ("a revision as text", "load", each_record(revision="1"), None),
    ("a time with a fraction", "load", in_columns(created_at=1_700_000_000_000.0), None),
    ("a time as a datetime", "load", in_columns(created_at=datetime(2026, 1, 1, tzinfo=timezone.utc)), TypeError),
    ("a time as ISO text", "load", in_columns(created_at="2026-01-01T00:00:00.000Z"), None),
    ("a number that is none", "load", in_columns(version=float("nan")), ValueError),
    ("a value as bytes", "load", in_columns(value_encrypted=b"sr1."), TypeError),
    ("a further field", "load", each_record(id=7), None),
    ("a further column", "load", in_columns(description=""), None),
    ("no data", "load", each_record(data=None), None),
    ("data that was parsed", "load", each_record(data={"revision": 1}), None),
    ("no counters", "load", each_record(counters=None), None),
    ("nothing", "load", lambda records: None, None),
    ("None for what does not exist", "load", lambda records: records or [None], None),
    ("a dict by key", "load", lambda records: {"records": records}, None),
    ("a generator", "load", lambda records: (record for record in records), TypeError),
    ("an asynchronous generator", "load", agenerator, TypeError),
    ("a tuple for a page", "list", lambda page: (page["items"], page["cursor"]), None),
    ("a page without items", "list", lambda page: {"cursor": page["cursor"]}, None),
    ("a further field of a page", "list", lambda page: {**page, "total": 1}, None),
    ("a number for a cursor", "list", lambda page: {**page, "cursor": 1}, None),
    ("nothing", "list", lambda page: None, None),
    ("events as items", "events", lambda page: {"items": page["events"], "cursor": None}, None),
    (
        "success as a number",
        "events",
        lambda page: {**page, "events": [{**e, "success": 1} for e in page["events"]]},
        None,
    ),
    ("nothing", "commit", lambda answer: None, None),
    ("True", "commit", lambda answer: True, None),
    ("another word", "commit", lambda answer: "ok", None),
    ("`failed`, always", "commit", lambda answer: "failed", None),
]


@pytest.mark.parametrize(
    ("what", "kind", "change", "cause"), SHAPES, ids=[f"{kind} gives {what}" for what, kind, _, _ in SHAPES]
)
def test_an_answer_in_another_shape_ends_the_test(
    what: str, kind: str, change: Callable[[Any], Any], cause: type[BaseException] | None
) -> None:
    with pytest.raises(StorageFailedError) as raised:
        check_store(With(kind, change))
    message, reason = str(raised.value), raised.value.__cause__
    assert raised.value.operation == "check_store"
    assert f"`{kind}`" in message or "its first questions" in message, message
    assert type(reason) is (type(None) if cause is None else cause), repr(reason)
    assert ("not in the shape of the contract" in message) == (cause is None and what != "`failed`, always"), message


class DiskFullError(Exception):
    """A store's own."""


class RaisesHalfWay(Rows):
    def append(self, change_set: Json) -> None:
        raise DiskFullError


@pytest.mark.parametrize("kit", KITS)
def test_what_a_store_raises_is_the_cause(kit: Kit) -> None:
    with pytest.raises(
        StorageFailedError, match="`load_gives_what_was_asked` came to no end: the store failed"
    ) as raised:
        kit(RaisesHalfWay())
    assert type(raised.value.__cause__) is DiskFullError


def test_a_class_given_for_a_store_fails_with_what_python_says() -> None:
    with pytest.raises(StorageFailedError) as raised:
        check_store(cast("Store", MemoryStore))
    assert type(raised.value.__cause__) is TypeError


# A store that is in use.


def in_use(store: Store) -> None:
    Vault(Keyring.generate(), store).set("A", "sk_test_abc123", actor="alice")


def only_history(store: Store) -> None:
    in_use(store)
    keys = [item["key"] for kind in ("secret", "stream", "head") for item in listed(store, kind)]
    deletes = [{"key": record["key"], "expected": {"revision": record["revision"]}} for record in store.load(keys)]
    nothing: Json = {"puts": [], "checks": [], "counters": [], "events": []}
    assert store.commit({"operation_id": "ab" * 16, **nothing, "deletes": deletes}) == "committed"


def listed(store: Store, kind: str) -> list[Json]:
    return cast("list[Json]", store.list({"kind": kind, "namespace": None, "limit": 100}, None)["items"])


@pytest.mark.parametrize("kit", KITS)
@pytest.mark.parametrize("fill", [in_use, only_history])
def test_a_store_that_is_in_use_is_refused_untouched(kit: Kit, fill: Callable[[Store], None], tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    with SQLiteStore(path) as store:
        fill(store)
        before = dump(path)
        assert len(before) > 5
        with pytest.raises(InvalidArgumentError, match="the store is not empty"):
            kit(store)
        assert dump(path) == before


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return [*connection.iterdump()]
    finally:
        connection.close()


# The two kits.


class Promising:
    """A store whose callbacks are plain functions that give something to await."""

    def __init__(self) -> None:
        store = AsyncioStore(MemoryStore())
        self.load: Any = lambda *asked: Awaited(store.load, *asked)
        self.list: Any = lambda *asked: Awaited(store.list, *asked)
        self.events: Any = lambda *asked: Awaited(store.events, *asked)
        self.commit: Any = lambda *asked: Awaited(store.commit, *asked)


class Awaited:
    """Makes the coroutine when it is awaited, and none when it is not."""

    def __init__(self, callback: Callable[..., Any], *asked: Any) -> None:
        self.callback, self.asked = callback, asked

    def __await__(self) -> Any:
        return self.callback(*self.asked).__await__()


@pytest.mark.parametrize("asynchronous", [lambda: AsyncioStore(MemoryStore()), Promising])
def test_an_asynchronous_store_is_sent_to_the_other_kit(asynchronous: Callable[[], AsyncStore]) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"^the store is asynchronous: test it with check_store_async$"
    ) as raised:
        check_store(cast("Store", asynchronous()))
    assert raised.value.operation == "check_store"
    assert len(asyncio.run(check_store_async(asynchronous()))) == 15
