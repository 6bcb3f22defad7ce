"""A store as a program writes one: plain rows, in its own memory.

What lists find records by goes from host to host beside the rows: `indexes` is a list of `{"key", "index"}`.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from strongroom.stores import CommitAnswer

Row = dict[str, Any]


class RowStore:
    """The storage contract over a list of records and a list of events."""

    def __init__(self, rows: dict[str, list[Row]]) -> None:
        self._records = {_place(record["key"]): record for record in copy.deepcopy(rows["records"])}
        self._indexes = {_place(each["key"]): each for each in copy.deepcopy(rows.get("indexes", []))}
        self._events = copy.deepcopy(rows["events"])

    def target(self) -> RowStore:
        """An empty store like this one, for its vault to be copied to."""
        return RowStore({"records": [], "events": []})

    def dump(self) -> dict[str, list[Row]]:
        """Every row."""
        indexes = list(self._indexes.values())
        return {
            "records": list(self._records.values()),
            "events": self._events,
            "indexes": indexes,
        }

    def load(self, keys: list[Row], /) -> list[Row]:
        return copy.deepcopy([self._records[_place(key)] for key in keys if _place(key) in self._records])

    def list(self, query: Row, cursor: str | None, /) -> Row:
        matching = []
        for place, record in self._records.items():
            key = record["key"]
            at = self._found_at(place, query.get("by"))
            if at is not None and key["kind"] == query["kind"] and query["namespace"] in (None, key["namespace"]):
                item = {"key": copy.deepcopy(key), "revision": record["revision"]}
                matching.append(([at, key["namespace"].encode(), key["name"].encode()], item))
        matching.sort(key=lambda each: each[0])
        after = None if cursor is None else _order(*json.loads(cursor))
        rest = [(order, item) for order, item in matching if after is None or order > after]
        page = rest[: query["limit"]]
        at, namespace, name = page[-1][0] if page else (0, b"", b"")
        return {
            "items": [item for _, item in page],
            "cursor": json.dumps([at, namespace.decode(), name.decode()]) if len(rest) > len(page) else None,
        }

    def events(self, query: Row, cursor: str | None, /) -> Row:
        scope, placed = query["scope"], list(enumerate(self._events))
        if scope == "chained":
            chained = [(place, event) for place, event in placed if event.get("stream") is not None]
            matching = sorted(chained, key=lambda each: (each[1]["stream"].encode(), each[1]["seq"]))
        elif scope == "unchained":
            matching = [(place, event) for place, event in placed if event.get("stream") is None]
        elif scope == "latest":
            matching = placed[::-1]
        else:
            slot = scope["slot"]
            matching = [(place, event) for place, event in placed[::-1] if slot.items() <= event.items()]
        places = [place for place, _ in matching]
        start = 0 if cursor is None else places.index(int(cursor)) + 1
        page = matching[start : start + query["limit"]]
        is_last = start + len(page) >= len(matching)
        return {
            "events": copy.deepcopy([event for _, event in page]),
            "cursor": None if is_last else str(page[-1][0]),
        }

    def commit(self, change_set: Row, /) -> CommitAnswer:
        change_set = copy.deepcopy(change_set)
        if any(event.get("operation_id") == change_set["operation_id"] for event in self._events):
            return "committed"
        puts = [{"key": put["record"]["key"], "expected": put["expected"]} for put in change_set["puts"]]
        if not all(self._is_as_expected(each) for each in [*puts, *change_set["deletes"], *change_set["checks"]]):
            return "conflict"
        taken = {(event.get("stream"), event.get("seq")) for event in self._events if event.get("stream") is not None}
        if any((event.get("stream"), event.get("seq")) in taken for event in change_set["events"]):
            return "conflict"
        for put in change_set["puts"]:
            record = put["record"]
            old = self._records.get(_place(record["key"]))
            if old is not None:
                record["counters"] = old["counters"]
            self._records[_place(record["key"])] = record
            self._indexes[_place(record["key"])] = {
                "key": record["key"],
                "index": put.get("index", {}),
            }
        for delete in change_set["deletes"]:
            self._records.pop(_place(delete["key"]), None)
            self._indexes.pop(_place(delete["key"]), None)
        for count in change_set["counters"]:
            counted = self._records.get(_place(count["key"]))
            if counted is not None:
                counters = counted["counters"]
                counters["accessed_count"] += count["accessed"]
                counters["last_accessed"] = max(count["at"], counters.get("last_accessed") or count["at"])
        self._events += change_set["events"]
        return "committed"

    def _found_at(self, place: tuple[str, str, str], by: Row | None) -> int | None:
        """The instant that a record is found by, 0 when it is found without one, nothing when it is not found."""
        if by is None:
            return 0
        [(what, sought)] = by.items()
        index = self._indexes.get(place, {"index": {}})["index"]
        if what == "fingerprint":
            return 0 if sought in index.get("fingerprints", []) else None
        at: int | None = index.get({"due": "due_at", "expired": "expires_at"}[what])
        return at if at is not None and at <= sought else None

    def _is_as_expected(self, each: Row) -> bool:
        record = self._records.get(_place(each["key"]))
        if each["expected"] == "absent":
            return record is None
        return record is not None and record["revision"] == each["expected"]["revision"]


def _place(key: Row) -> tuple[str, str, str]:
    return key["kind"], key["namespace"], key["name"]


def _order(at: int, namespace: str, name: str) -> list[Any]:
    return [at, namespace.encode(), name.encode()]
