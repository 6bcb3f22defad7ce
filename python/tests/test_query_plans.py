"""How SQLite goes about the statements: to where the rows are, and along an index in their order. It walks no table.

A fault here is slow, and nothing else shows it.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from strongroom import _native
from strongroom.stores import SQLiteStore

STATEMENTS: dict[str, str] = json.loads(_native.sqlite_statements())
# What whoever looks at everything runs.
OVER_ALL = {"list_secrets", "list_records", "events_latest", "events_chained", "events_unchained"}
LISTS = {"list_due": "due", "list_expired_secrets": "expired", "list_expired_records": "expired"}
# Once, when a database is opened; and the answer to what cannot be.
NOT_PLANNED = {"inspect", "schema_version", "list_none"}
KEY = {"kind": "secret", "namespace": "default", "name": "A"}


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    with SQLiteStore(":memory:") as store:
        yield store._connection


def plan(connection: sqlite3.Connection, statement: str, given: Any = None) -> list[str]:
    """What SQLite says that it will do, but for the reading of the parameter."""
    sql = f"EXPLAIN QUERY PLAN {STATEMENTS[statement]}"
    details = [detail for *_, detail in connection.execute(sql, (json.dumps(given or {}),)).fetchall()]
    of_parameter = re.compile(
        r"^SCAN (k|json_each|CONSTANT ROW)\b|VIRTUAL TABLE|^(MATERIALIZE|CO-ROUTINE|COMPOUND|UNION|LEFT-MOST)"
    )
    return [detail for detail in details if not of_parameter.search(detail)]


def assert_is_direct(details: list[str]) -> None:
    for detail in details:
        assert "SCAN" not in detail, details
        assert "TEMP B-TREE" not in detail, details
        assert "AUTOMATIC" not in detail, details


def query(by: Any, *, kind: str = "secret", namespace: str | None, cursor: Any) -> dict[str, Any]:
    told = None if cursor is None else json.dumps(cursor)
    return {"query": {"kind": kind, "namespace": namespace, "by": by, "limit": 2}, "cursor": told}


FIRST_AND_NEXT = [None, ["2025-01-01T00:00:00.000Z", "default", "A"]]


@pytest.mark.parametrize("namespace", [None, "default"])
@pytest.mark.parametrize("cursor", FIRST_AND_NEXT)
@pytest.mark.parametrize("statement", LISTS)
def test_what_is_due_or_over_is_found_along_an_index_from_where_the_page_begins(
    connection: sqlite3.Connection, statement: str, namespace: str | None, cursor: Any
) -> None:
    column = {"list_due": "rotation_due"}.get(statement, "expires_at")
    index = {
        "list_due": "strongroom_secrets_due",
        "list_expired_secrets": "strongroom_secrets_end",
        "list_expired_records": "strongroom_records_end",
    }[statement]
    given = query({LISTS[statement]: 1_700_000_000_000}, kind="pending", namespace=namespace, cursor=cursor)
    [detail] = details = plan(connection, statement, given)
    assert_is_direct(details)
    # From the last instant on, and as far as the one that was asked for: not all that came before.
    assert index in detail
    assert re.search(
        rf"{column}>\? AND {column}<\?|\({column},namespace,name\)>\(\?,\?,\?\) AND {column}<\?", detail
    ), detail


@pytest.mark.parametrize("namespace", [None, "default"])
@pytest.mark.parametrize("cursor", [None, ["default", "A"]])
def test_a_fingerprint_is_found_along_its_key_from_where_the_page_begins(
    connection: sqlite3.Connection, namespace: str | None, cursor: Any
) -> None:
    details = plan(
        connection, "list_fingerprint", query({"fingerprint": "ab" * 32}, namespace=namespace, cursor=cursor)
    )
    assert_is_direct(details)
    assert re.search(r"strongroom_fingerprints USING PRIMARY KEY \(fingerprint=\? AND .*>", details[0]), details
    assert "(namespace=? AND name=?)" in details[1], details


@pytest.mark.parametrize("statement", sorted(STATEMENTS.keys() - OVER_ALL - LISTS.keys() - NOT_PLANNED))
def test_an_operation_on_one_secret_walks_no_table(connection: sqlite3.Connection, statement: str) -> None:
    given = {"keys": [KEY], **query(None, namespace="default", cursor=None), "key": KEY, "fingerprints": []}
    assert_is_direct(plan(connection, statement, given))


@pytest.mark.parametrize("statement", ["events_slot", "events_latest", "events_chained"])
def test_a_page_of_events_begins_where_the_one_before_ended(connection: sqlite3.Connection, statement: str) -> None:
    cursor = ["ab" * 16, 7] if statement == "events_chained" else 7
    for given in (None, cursor):
        [detail] = details = plan(connection, statement, query(None, namespace=None, cursor=given))
        assert_is_direct(details)
        assert re.search(r"\b(row)?id<\?|\(stream,seq\)>\(\?,\?\)", detail), detail


@pytest.mark.parametrize("statement", ["list_secrets", "list_records"])
def test_a_page_begins_where_the_one_before_ended(connection: sqlite3.Connection, statement: str) -> None:
    for namespace in (None, "default"):
        [detail] = details = plan(connection, statement, query(None, namespace=namespace, cursor=["default", "A"]))
        assert_is_direct(details)
        assert re.search(r"(namespace>\?|\(namespace,name\)>\(\?,\?\)) AND namespace<\?", detail), detail
