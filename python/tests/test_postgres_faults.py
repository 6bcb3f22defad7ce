"""What becomes of a vault in PostgreSQL when connections end, servers die and others hold their locks."""

from __future__ import annotations

import json
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, create_engine

from behaviour import (
    change_set,
    commit,
    event,
    flat,
    in_threads,
    key,
    listed,
    loaded,
    put_new,
    record,
    revision,
    revision_of,
    told,
)
from cluster import Cluster, running
from strongroom import Keyring, Vault
from strongroom.errors import StorageFailedError
from strongroom.stores import NothingAppliedError, SQLAlchemyStore

WORKERS = 3

# Sets a value of its own and reads one of all, time and again. What fails is tried again where it may be, and told.
WORKER = """
import sys, time
from strongroom import Keyring, StrongroomError, Vault
from strongroom.stores import SQLAlchemyStore
url, schema, text, own, times, patience = sys.argv[1:]
with SQLAlchemyStore(url, schema=schema) as store:
    vault = Vault(Keyring.parse(text), store)
    print("ready", flush=True)
    for n in range(int(times)):
        until = time.monotonic() + float(patience)
        while True:
            try:
                vault.set(own, f"value-{n:06}", actor=own)
                vault.get("SHARED", actor=own).reveal()
                break
            except StrongroomError as error:
                print("failed", error.code, type(error.__cause__).__name__, flush=True)
                if time.monotonic() > until or not error.retryable:
                    raise
                time.sleep(0.1)
        print("done", n, flush=True)
"""


def start(url: str, schema: str, keyring: Keyring, times: int, patience: float) -> list[subprocess.Popen[str]]:
    text = keyring.dangerous_export()
    arguments = [[url, schema, text, f"OWN_{index}", str(times), str(patience)] for index in range(WORKERS)]
    started = [
        subprocess.Popen([sys.executable, "-c", WORKER, *each], stdout=subprocess.PIPE, text=True) for each in arguments
    ]
    for worker in started:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    return started


@pytest.fixture
def schema() -> str:
    return f"t_{secrets.token_hex(6)}"


@pytest.fixture(scope="module")
def engine(cluster: Cluster) -> Iterator[Engine]:
    engine = create_engine(cluster.url(scheme="postgresql+psycopg"))
    yield engine
    engine.dispose()


def test_connections_that_are_ended_in_the_middle_of_commits_cost_and_double_nothing(
    cluster: Cluster, schema: str, keyring: Keyring
) -> None:
    times, ended = 120, 0
    with SQLAlchemyStore(cluster.url(), schema=schema) as store:
        vault = Vault(keyring, store)
        vault.set("SHARED", "sk_test_abc123", actor="alice")
        workers = start(cluster.url(), schema, keyring, times, 0)
        # As long as an operation may well take by a new connection: nobody is to meet the end every time that he asks.
        begun = time.monotonic()
        SQLAlchemyStore(cluster.url(), schema=schema).close()
        pause = 0.1 + 2 * (time.monotonic() - begun)
        with psycopg.connect(cluster.url(), autocommit=True) as connection:
            working = f"SELECT pid FROM pg_stat_activity WHERE query LIKE '%{schema}%' AND pid <> pg_backend_pid()"
            while any(worker.poll() is None for worker in workers):
                # In the middle of a request, whichever it is.
                pids = connection.execute(f"{working} AND state = 'active'").fetchall()
                if pids:
                    connection.execute("SELECT pg_terminate_backend(%s)", random.choice(pids))  # noqa: S311
                    ended += 1
                    time.sleep(pause)
        told_ = [worker.communicate()[0] for worker in workers]
        assert [worker.returncode for worker in workers] == [0] * WORKERS, told_
        assert not any("failed" in text for text in told_)
        assert ended > 2
        versions = {each.name: each.version for each in vault.list(actor="alice")}
        assert versions == {"SHARED": 1, **{f"OWN_{index}": times for index in range(WORKERS)}}
        [shared] = [each for each in vault.list(actor="alice") if each.name == "SHARED"]
        assert shared.accessed_count == WORKERS * times
        vault.verify_audit(actor="alice")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGQUIT])
def test_a_server_that_dies_keeps_whatever_it_acknowledged(schema: str, keyring: Keyring, how: signal.Signals) -> None:
    times = 150
    with running(fsync=True) as cluster, SQLAlchemyStore(cluster.url(), schema=schema) as store:
        vault = Vault(keyring, store)
        vault.set("SHARED", "sk_test_abc123", actor="alice")
        workers = start(cluster.url(), schema, keyring, times, 60)
        for _ in range(3):
            time.sleep(0.7)
            cluster.stop(how)
            cluster.start()
        told_ = [worker.communicate(timeout=120)[0] for worker in workers]
        assert [worker.returncode for worker in workers] == [0] * WORKERS, told_
        assert any("failed STORAGE_FAILED" in text for text in told_)
        for index, text in enumerate(told_):
            attempts = times + text.count("failed")
            [own] = [each for each in vault.list(actor="alice") if each.name == f"OWN_{index}"]
            assert times <= (own.version or 0) <= attempts
            assert vault.get(own.name, actor="alice").reveal() == f"value-{times - 1:06}"
            events = [each for each in vault.audit(own.name, actor="alice", limit=1000) if each.action == "set"]
            assert len(events) == own.version
        vault.verify_audit(actor="alice")


def test_a_connection_that_died_unnoticed_is_replaced(cluster: Cluster, schema: str) -> None:
    with SQLAlchemyStore(cluster.url(), schema=schema) as store:
        put_new(store, key("A"))
        for _ in range(2):
            with psycopg.connect(cluster.url(), autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE %s"
                    " AND pid <> pg_backend_pid()",
                    [f"%{schema}%"],
                )
            time.sleep(0.2)
            assert len(loaded(store, key("A"))) == 1


def test_an_application_s_dead_connections_cost_a_request_nothing(cluster: Cluster, schema: str) -> None:
    name = secrets.token_hex(6)
    shared = create_engine(
        cluster.url(scheme="postgresql+psycopg"), connect_args={"application_name": name}, pool_size=4
    )
    store = SQLAlchemyStore(shared, schema=schema)
    put_new(store, key("A"))
    # The application's own, which the store never asked by.
    for connection in [shared.connect() for _ in range(4)]:
        connection.close()
    with psycopg.connect(cluster.url(), autocommit=True) as administrator:
        ended = administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [name]
        ).fetchall()
        assert len(ended) == 4
    time.sleep(0.2)
    assert len(loaded(store, key("A"))) == 1
    shared.dispose()


def test_an_exception_in_the_middle_of_a_request_is_the_one_that_is_raised(
    cluster: Cluster, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupt(BaseException):
        """Such as gevent's, which leaves the server's answer to come."""

    shared = create_engine(cluster.url(scheme="postgresql+psycopg"), pool_size=1, max_overflow=0)
    store = SQLAlchemyStore(shared, schema=schema)
    put_new(store, key("A"))

    def interrupted(self: Any, query: Any, *_: Any) -> None:
        self.pgconn.send_query(b"SELECT pg_sleep(5)")
        raise Interrupt

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "execute", interrupted)
        with pytest.raises(Interrupt):
            store.load([key("A")])
    assert len(loaded(store, key("A"))) == 1
    shared.dispose()


def test_locks_that_are_held_for_too_long_fail_who_needs_them_and_nobody_else(
    cluster: Cluster, schema: str, keyring: Keyring
) -> None:
    small = create_engine(
        cluster.url(scheme="postgresql+psycopg"),
        connect_args={"options": "-c lock_timeout=300ms"},
        pool_size=2,
        max_overflow=0,
    )
    vault = Vault(keyring, SQLAlchemyStore(small, schema=schema))
    vault.set_many({"A": "value of A", "B": "value of B"}, actor="alice")
    failed: list[StorageFailedError] = []

    def write(_: int) -> None:
        with pytest.raises(StorageFailedError, match="applied nothing") as caught:
            vault.set("A", "another value", actor="alice")
        failed.append(caught.value)

    with psycopg.connect(cluster.url()) as holder:
        holder.execute(f"SELECT FROM {schema}.secrets WHERE name = 'A' FOR UPDATE")
        in_threads(6, write)
        assert vault.get("B", actor="alice").reveal() == "value of B"
        holder.rollback()
    assert len(failed) == 6
    for error in failed:
        assert error.retryable
        assert "nothing was applied: look in pg_stat_activity" in str(error.__cause__)
        assert isinstance(error.__cause__, StorageFailedError)
        assert isinstance(error.__cause__.__cause__, psycopg.Error)
    assert vault.set("A", "another value", actor="alice").version == 2
    assert len([each for each in vault.audit("A", actor="alice") if each.action == "set"]) == 2
    small.dispose()


def test_a_commit_that_was_lost_and_then_met_a_lock_may_have_been_applied(cluster: Cluster, schema: str) -> None:
    impatient = create_engine(
        cluster.url(scheme="postgresql+psycopg"), connect_args={"options": "-c lock_timeout=300ms"}
    )
    store = SQLAlchemyStore(impatient, schema=schema)
    put_new(store, key("A"))
    with psycopg.connect(cluster.url(), autocommit=True) as administrator, psycopg.connect(cluster.url()) as holder:
        administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE %s AND pid <> pg_backend_pid()",
            [f"%{schema}%"],
        )
        holder.execute(f"SELECT FROM {schema}.secrets FOR UPDATE")
        with pytest.raises(psycopg.Error, match="lock timeout"):
            commit(store, puts=[(record(key("A"), 2), revision(1))], events=[event()])
        with pytest.raises(NothingAppliedError, match="nothing was applied") as told_:
            commit(store, puts=[(record(key("A"), 2), revision(1))], events=[event()])
        assert isinstance(told_.value.__cause__, StorageFailedError)
        assert isinstance(told_.value.__cause__.__cause__, psycopg.Error)
        holder.rollback()
    impatient.dispose()


def test_an_applied_commit_whose_reply_was_lost_is_told_of_whoever_holds_its_records(
    cluster: Cluster, schema: str
) -> None:
    impatient = create_engine(
        cluster.url(scheme="postgresql+psycopg"), connect_args={"options": "-c lock_timeout=300ms"}
    )
    store = SQLAlchemyStore(impatient, schema=schema)
    put_new(store, key("A"))
    asked: Any = change_set(puts=[(record(key("A"), 2), revision(1))], events=[event()])
    with psycopg.connect(cluster.url()) as first:
        # The connection that nobody hears any more.
        first.execute(f"SELECT {schema}.strongroom_commit(%s::jsonb)", [json.dumps({"change_set": asked})])
    with psycopg.connect(cluster.url(), autocommit=True) as administrator, psycopg.connect(cluster.url()) as holder:
        holder.execute(f"SELECT FROM {schema}.secrets WHERE name = 'A' FOR UPDATE")
        assert store.commit(asked) == "committed"
        administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE %s AND pid <> pg_backend_pid()"
            " AND pid <> %s",
            [f"%{schema}%", holder.info.backend_pid],
        )
        assert store.commit(asked) == "committed"
        holder.rollback()
    assert revision_of(store, key("A")) == 2
    impatient.dispose()


def test_whoever_waits_in_a_circle_with_another_program_is_told_of_a_conflict(cluster: Cluster, schema: str) -> None:
    # Ours looks for circles at once, and so is the one that gives way: it must be waiting when the circle closes, and
    # looks again only when it waits for something new.
    ours = create_engine(cluster.url(scheme="postgresql+psycopg"), connect_args={"options": "-c deadlock_timeout=2s"})
    store = SQLAlchemyStore(ours, schema=schema)
    put_new(store, key("A"), key("B"))
    answers: list[str] = []
    with psycopg.connect(cluster.url()) as other:
        other.execute("SET deadlock_timeout = '60s'")
        other.execute(f"SELECT FROM {schema}.secrets WHERE name = 'B' FOR UPDATE")
        puts = [(record(key(name), 2), revision(1)) for name in "AB"]
        waiting = threading.Thread(target=lambda: answers.append(commit(store, puts=puts, events=[event()])))
        waiting.start()
        time.sleep(0.5)
        other.execute(f"SELECT FROM {schema}.secrets WHERE name = 'A' FOR UPDATE")
        waiting.join(timeout=30)
        other.rollback()
    assert answers == ["conflict"]
    assert flat(told(store, "latest")) == []
    ours.dispose()


def test_a_row_that_another_program_puts_in_is_a_conflict(cluster: Cluster, engine: Engine, schema: str) -> None:
    store = SQLAlchemyStore(engine, schema=schema)
    answers: list[str] = []
    with psycopg.connect(cluster.url()) as other:
        other.execute(f"INSERT INTO {schema}.secrets (name, value_encrypted) VALUES ('A', 'x')")
        put = [(record(key("A")), "absent")]
        waiting = threading.Thread(target=lambda: answers.append(commit(store, puts=put, events=[event()])))
        waiting.start()
        time.sleep(0.3)
        assert answers == []
        other.commit()
        waiting.join()
    assert answers == ["conflict"]
    assert flat(told(store, "latest")) == []


def test_a_commit_that_the_server_refuses_half_way_is_taken_back(cluster: Cluster, engine: Engine, schema: str) -> None:
    store = SQLAlchemyStore(engine, schema=schema)
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(
            f"CREATE FUNCTION {schema}.full() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = 'disk_full'; END$$;"
            f"CREATE TRIGGER full_ BEFORE INSERT ON {schema}.secrets_audit EXECUTE FUNCTION {schema}.full()"
        )
    with pytest.raises(Exception, match="disk full"):
        commit(store, puts=[(record(key("A")), "absent")], events=[event()])
    assert listed(store) == [[]]


def test_who_waits_behind_a_commit_that_is_lost_learns_the_truth(cluster: Cluster, engine: Engine, schema: str) -> None:
    """The host lost the connection, and the server is at it still: the second ask waits for the first to end."""
    store = SQLAlchemyStore(engine, schema=schema)
    put_new(store, key("A"))
    asked: Any = change_set(counters=[(key("A"), 1, 5)], events=[event()])
    answers: list[str] = []
    with psycopg.connect(cluster.url()) as first:
        first.execute(f"SELECT {schema}.strongroom_commit(%s::jsonb)", [json.dumps({"change_set": asked})])
        again = threading.Thread(target=lambda: answers.append(store.commit(asked)))
        again.start()
        time.sleep(0.3)
        assert answers == []
        first.rollback()
        again.join()
    assert answers == ["committed"]
    assert loaded(store, key("A"))[0]["counters"]["accessed_count"] == 1
