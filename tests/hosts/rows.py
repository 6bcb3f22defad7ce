"""A store as a program writes one: plain rows, in its own memory."""

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
        self._events = copy.deepcopy(rows["events"])

    def dump(self) -> dict[str, list[Row]]:
        """Every row."""
        return {"records": list(self._records.values()), "events": self._events}

    def load(self, keys: list[Row], /) -> list[Row]:
        return copy.deepcopy([self._records[_place(key)] for key in keys if _place(key) in self._records])

    def list(self, query: Row, cursor: str | None, /) -> Row:
        def is_wanted(key: Row) -> bool:
            return key["kind"] == query["kind"] and query["namespace"] in (None, key["namespace"])

        after = None if cursor is None else _order(*json.loads(cursor))
        items = sorted(
            (
                {"key": record["key"], "revision": record["revision"]}
                for record in self._records.values()
                if is_wanted(record["key"])
            ),
            key=lambda item: _order(item["key"]["namespace"], item["key"]["name"]),
        )
        rest = [
            item for item in items if after is None or _order(item["key"]["namespace"], item["key"]["name"]) > after
        ]
        page = rest[: query["limit"]]
        last = page[-1]["key"] if len(rest) > len(page) else None
        return {
            "items": copy.deepcopy(page),
            "cursor": None if last is None else json.dumps([last["namespace"], last["name"]]),
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
        for record in (put["record"] for put in change_set["puts"]):
            old = self._records.get(_place(record["key"]))
            if old is not None:
                record["counters"] = old["counters"]
            self._records[_place(record["key"])] = record
        for delete in change_set["deletes"]:
            self._records.pop(_place(delete["key"]), None)
        for count in change_set["counters"]:
            counted = self._records.get(_place(count["key"]))
            if counted is not None:
                counters = counted["counters"]
                counters["accessed_count"] += count["accessed"]
                counters["last_accessed"] = max(count["at"], counters.get("last_accessed") or count["at"])
        self._events += change_set["events"]
        return "committed"

    def _is_as_expected(self, each: Row) -> bool:
        record = self._records.get(_place(each["key"]))
        if each["expected"] == "absent":
            return record is None
        return record is not None and record["revision"] == each["expected"]["revision"]


def _place(key: Row) -> tuple[str, str, str]:
    return key["kind"], key["namespace"], key["name"]


def _order(namespace: str, name: str) -> tuple[bytes, bytes]:
    return namespace.encode(), name.encode()
