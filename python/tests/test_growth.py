"""Growth: what an operation costs SQLite in a vault of 100,000 secrets, against one of 1,000.

The cost is counted, not timed: the instructions that SQLite's own machine runs for it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from strongroom import Keyring, Vault
from strongroom.stores import SQLiteStore

SMALL, LARGE = 1_000, 100_000
# A deeper tree costs some more; a walk through it a hundred times as much.
AT_MOST = 1.5

# Rows around those that the operations are about: before, between and after them, none of them due or expired.
FILL = [
    """INSERT INTO secrets (name, namespace, uid, state, version, value_encrypted, value_fingerprint, last_rotated,
         created_at, updated_at, data, revision, record_mac, rotation_due, expires_at)
       SELECT printf('%c%06d', 65 + i % 26, i), CASE i % 3 WHEN 0 THEN 'default' WHEN 1 THEN 'a' ELSE 'z' END,
         printf('%032x', i), 'active', 1, 'sr1.filler', printf('%064x', i), '2020-01-01T00:00:00.000Z',
         '2020-01-01T00:00:00.000Z', '2020-01-01T00:00:00.000Z', '{}', 1, printf('%064x', i),
         '2900-01-01T00:00:00.000Z', '2900-01-01T00:00:00.000Z' FROM numbers""",
    """INSERT INTO strongroom_fingerprints (fingerprint, namespace, name)
       SELECT value_fingerprint, namespace, name FROM secrets WHERE value_encrypted = 'sr1.filler'""",
    """INSERT INTO strongroom_records (kind, namespace, name, revision, data, record_mac)
       SELECT 'stream', namespace, name, 1, '{}', record_mac FROM secrets WHERE value_encrypted = 'sr1.filler'""",
    """INSERT INTO strongroom_records (kind, namespace, name, revision, data, record_mac, expires_at)
       SELECT 'pending', '', printf('filler%016d', i), 1, '{}', printf('%064x', i), '2900-01-01T00:00:00.000Z'
       FROM numbers WHERE i <= 50""",  # They wait for minutes, and an emergency looks at all that do.
    """INSERT INTO secrets_audit (secret_name, action, user_id, success, created_at, namespace, stream, seq,
         operation_id, secret_uid, outcome, epoch, mac)
       SELECT name, 'set', 'alice', 1, created_at, namespace, uid, 1, uid, uid, 'success', 1, record_mac
       FROM secrets WHERE value_encrypted = 'sr1.filler'""",
]

Operation = Callable[[Vault, dict[str, Any]], object]


# Each on a vault of its own state before it; together they are one life.
OPERATIONS: dict[str, Operation] = {
    "set new": lambda v, _: v.set("NEW", "new", actor="alice"),
    "set existing": lambda v, _: v.set("M", "another", actor="alice"),
    "get": lambda v, _: v.get("M", actor="alice"),
    "exists": lambda v, _: v.exists("M", actor="alice"),
    "rotate": lambda v, _: v.rotate("M", "rotated", grace=timedelta(hours=1), actor="alice"),
    "verify": lambda v, _: v.verify("M", "another", actor="alice"),
    "identify": lambda v, _: v.identify("another", actor="alice"),
    "identify nobody's": lambda v, _: v.identify("nobody's", actor="alice"),
    "identify in a namespace": lambda v, _: v.identify("rotated", actor="alice", namespace="default"),
    "versions": lambda v, _: v.versions("M", actor="alice"),
    "rollback": lambda v, _: v.rollback("M", 1, actor="alice"),
    "disable": lambda v, _: v.disable("M", actor="alice"),
    "enable": lambda v, _: v.enable("M", actor="alice"),
    "revoke_previous": lambda v, _: v.revoke_previous("M", actor="alice"),
    "expire": lambda v, _: v.expire("M", actor="alice", expires_in=timedelta(days=400)),
    "propose": lambda v, told: told.update(id=v.propose("rotate", "M", "proposed", actor="alice").id),
    "confirm": lambda v, told: v.confirm(told["id"], actor="alice"),
    "audit of one": lambda v, _: v.audit("M", actor="alice"),
    "audit of all": lambda v, _: v.audit(actor="alice", limit=5),
    "grant": lambda v, _: v.grant("M", actor="alice", user="bob", actions=["read"]),
    "grants": lambda v, _: v.grants("M", actor="alice"),
    "due": lambda v, _: v.due(actor="alice", ahead=timedelta(days=200)),
    "due in a namespace": lambda v, _: v.due(actor="alice", namespace="default", ahead=timedelta(days=200)),
    "rotate_due": lambda v, _: v.rotate_due(actor="alice"),
    "emergency_rotate of one": lambda v, _: v.emergency_rotate("MADE", actor="alice"),
    "purge": lambda v, _: v.purge(actor="alice"),
    "set_many": lambda v, _: v.set_many({"M1": "one", "M2": "two"}, actor="alice"),
    "get_many": lambda v, _: v.get_many(["M1", "M2"], actor="alice"),
    "resolve": lambda v, _: v.resolve({"a": "secret:M1", "b": ["secret:M2"]}, actor="alice"),
    "command": lambda v, _: v.command("secret get M", actor="alice"),
    "delete": lambda v, _: v.delete("M", actor="alice"),
    "set a name again": lambda v, _: v.set("M", "born again", actor="alice"),
}


def costs(size: int) -> dict[str, int]:
    """The instructions of each operation in a vault of so many secrets, and as many events."""
    with SQLiteStore(":memory:") as store:
        vault = Vault(Keyring.generate(), store)
        told: dict[str, Any] = {}
        counted: dict[str, int] = {}
        vault.set("M", "first", actor="alice")
        vault.set("MADE", "first", generator="hex", actor="alice")
        connection = store._connection
        numbers = f"WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {size}) "
        for statement in FILL:
            head, select = statement.split("SELECT", 1)
            connection.execute(f"{head} {numbers if 'numbers' in select else ''} SELECT {select}")
        for name, operation in OPERATIONS.items():
            steps = 0

            def count() -> int:
                nonlocal steps
                steps += 1
                return 0

            connection.set_progress_handler(count, 10)
            operation(vault, told)
            connection.set_progress_handler(None, 0)
            counted[name] = steps
        return counted


@pytest.fixture(scope="module")
def both() -> tuple[dict[str, int], dict[str, int]]:
    return costs(SMALL), costs(LARGE)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_costs_no_more_when_there_are_a_hundred_times_as_many(
    both: tuple[dict[str, int], dict[str, int]], name: str
) -> None:
    small, large = (counted[name] for counted in both)
    assert small > 0
    assert large <= small * AT_MOST + 20, (small, large)


def test_the_count_shows_a_walk_through_all(both: tuple[dict[str, int], dict[str, int]]) -> None:
    """What counts, counts: an operation that reads everything costs a hundred times as much."""
    with SQLiteStore(":memory:") as store:
        vault = Vault(Keyring.generate(), store)
        for number in range(60):
            vault.set(f"A{number}", "value", actor="alice")
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        store._connection.set_progress_handler(count, 10)
        vault.list(actor="alice")
        assert steps > 5 * both[0]["get"]
