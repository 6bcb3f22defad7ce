"""How PostgreSQL goes about the requests: to where the rows are, and along an index in their order.

However many others there are. A fault here is slow, and nothing else shows it. The server tells the plans of the
statements within the functions (`auto_explain`), with what each of them read.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine

from behaviour import change_set, event, key, record, revision
from cluster import Cluster
from strongroom.stores import SQLAlchemyStore

ROWS = 50_000
LIMIT = 20
OURS = {"secrets", "secrets_audit", "strongroom_records", "strongroom_fingerprints"}

Ask = Callable[[str, Any], list[dict[str, Any]]]

FILL = """
INSERT INTO secrets (name, namespace, uid, revision, rotation_due, expires_at)
SELECT 'K' || n, 'n' || n % 10, 'u' || n, 1, to_timestamp(n), to_timestamp(n) FROM generate_series(1, {rows}) AS n;
INSERT INTO strongroom_records (kind, namespace, name, revision, data, expires_at)
SELECT CASE WHEN n % 2 = 0 THEN 'stream' ELSE 'pending' END, 'n' || n % 10, 'K' || n, 1, '{{}}', to_timestamp(n)
FROM generate_series(1, {rows}) AS n;
INSERT INTO strongroom_fingerprints
SELECT md5((n % 2000)::text), 'n' || n % 10, 'K' || n FROM generate_series(1, {rows}) AS n;
INSERT INTO secrets_audit (namespace, secret_name, stream, seq, operation_id)
SELECT 'n' || n % 10, 'K' || n % 100, CASE WHEN n % 5 > 0 THEN 'u' || n % 100 END, n, md5(n::text)
FROM generate_series(1, {rows}) AS n;
"""


@pytest.fixture(scope="module", params=["as the planner knows", "before it knows"])
def ask(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Ask]:
    """The plans of what a request runs, over tables that the planner knows, or knows nothing of yet."""
    schema = f"t_{secrets.token_hex(6)}"
    engine = create_engine(cluster.url(scheme="postgresql+psycopg"))
    SQLAlchemyStore(engine, schema=schema)
    engine.dispose()
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(f"SET search_path = {schema}")
        if request.param == "before it knows":
            for table in OURS:
                connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        connection.execute(FILL.format(rows=ROWS))
        if request.param == "as the planner knows":
            connection.execute("ANALYZE")
        plans: list[dict[str, Any]] = []
        connection.execute(
            "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on;"
            "SET auto_explain.log_analyze = on; SET auto_explain.log_format = json; SET auto_explain.log_level = notice"
        )

        def take(diagnostic: psycopg.errors.Diagnostic) -> None:
            _, _, plan = (diagnostic.message_primary or "").partition("plan:\n")
            if plan:
                plans.append(json.loads(plan))

        connection.add_notice_handler(take)

        def ask(kind: str, content: Any) -> list[dict[str, Any]]:
            plans.clear()
            with connection.transaction(force_rollback=True):
                row = connection.execute(
                    f"SELECT {schema}.strongroom_{kind}(%s::jsonb)::text", [json.dumps(content)]
                ).fetchone()
            assert row is not None
            assert '"conflict"' not in row[0]
            return list(plans)

        yield ask


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def scans(plans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What reads our tables. Whatever does so without an index, or sorts, is a fault."""
    of_ours = []
    for plan in plans:
        found = [node for node in nodes(plan["Plan"]) if node.get("Relation Name") in OURS]
        reads = [node for node in found if node["Node Type"] not in ("ModifyTable", "LockRows")]
        for node in reads:
            told = (plan["Query Text"], node)
            assert node["Node Type"] in ("Index Scan", "Index Only Scan", "Bitmap Heap Scan"), told
            if node["Node Type"] != "Bitmap Heap Scan":
                assert "Index Cond" in node, told
        if reads and "RETURN" not in plan["Query Text"] and "INSERT" not in plan["Query Text"]:
            assert not [node for node in nodes(plan["Plan"]) if "Sort" in node["Node Type"]], plan["Query Text"]
        of_ours += reads
    return of_ours


def rows_read(plans: list[dict[str, Any]]) -> float:
    read = [
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in scans(plans)
    ]
    return float(sum(read))


def listing(
    by: Any = None, *, kind: str = "secret", namespace: str | None = None, cursor: Any = None
) -> dict[str, Any]:
    query = {"kind": kind, "namespace": namespace, "limit": LIMIT, **({} if by is None else {"by": by})}
    return {"query": query, "cursor": None if cursor is None else json.dumps(cursor)}


@pytest.mark.parametrize("kind", ["secret", "stream"])
@pytest.mark.parametrize("namespace", [None, "n5"])
@pytest.mark.parametrize("cursor", [None, ["n5", "K25005"]])
def test_a_page_of_keys_reads_its_own_rows(ask: Ask, kind: str, namespace: str | None, cursor: Any) -> None:
    assert 0 < rows_read(ask("list", listing(kind=kind, namespace=namespace, cursor=cursor))) <= LIMIT or (
        kind == "stream" and namespace == "n5"  # Which has none.
    )


@pytest.mark.parametrize(("kind", "what"), [("secret", "due"), ("secret", "expired"), ("pending", "expired")])
@pytest.mark.parametrize("cursor", [None, [25_000_000, "n0", "K25000"]])
def test_what_is_due_or_over_is_read_from_where_the_page_begins(ask: Ask, kind: str, what: str, cursor: Any) -> None:
    for until in (40_000_000, 25_001_000):
        assert 0 < rows_read(ask("list", listing({what: until}, kind=kind, cursor=cursor))) <= LIMIT


@pytest.mark.parametrize("cursor", [None, ["n1", "K2001"]])
def test_a_fingerprint_reads_those_who_have_it(ask: Ask, cursor: Any) -> None:
    fingerprint = "c4ca4238a0b923820dcc509a6f75849b"  # Of 25.
    assert 0 < rows_read(ask("list", listing({"fingerprint": fingerprint}, cursor=cursor))) <= 2 * LIMIT


@pytest.mark.parametrize(
    ("scope", "cursor"),
    [
        ("latest", [25_000]),
        ("chained", ["u51", 25_051]),
        ("unchained", [25_000]),
        ({"slot": {"namespace": "n1", "name": "K1"}}, [25_000]),
    ],
)
def test_a_page_of_events_reads_its_own(ask: Ask, scope: Any, cursor: Any) -> None:
    for place in (None, cursor):
        told = None if place is None else json.dumps(place)
        plans = ask("events", {"query": {"scope": scope, "limit": LIMIT}, "cursor": told})
        assert 0 < rows_read(plans) <= LIMIT


@pytest.mark.parametrize("kind", ["secret", "stream"])
def test_a_load_reads_what_it_gives(ask: Ask, kind: str) -> None:
    keys = [key(f"K{n}", f"n{n % 10}", kind) for n in (2, 400, 49_998)]
    assert rows_read(ask("load", {"keys": keys})) == 3


def test_a_commit_reads_what_it_is_about(ask: Ask) -> None:
    asked = change_set(
        puts=[
            (record(key("K1", "n1"), 2), revision(1)),
            (record(key("NEW")), "absent"),
            (record(key("K2", "n2", "stream"), 2), revision(1)),
            (record(key("NEW", kind="stream")), "absent"),
        ],
        found=[(record(key("K3", "n3"), 2), revision(1), {"fingerprints": ["ab", "cd"]})],
        deletes=[(key("K4", "n4"), revision(1)), (key("K4", "n4", "stream"), revision(1))],
        checks=[(key("K5", "n5"), revision(1)), (key("K6", "n6", "stream"), revision(1)), (key("none"), "absent")],
        counters=[(key("K7", "n7"), 1, 5), (key("K1", "n1"), 1, 5)],
        events=[event("u9", 100_000 + n, secret_uid="u9") for n in range(3)],
    )
    assert 0 < rows_read(ask("commit", {"change_set": asked})) < 50
