"""What only PostgreSQL does: schemas, roles and versions, locks, plans, and the limits of its types."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError, ProgrammingError

from behaviour import (
    change_set,
    commit,
    event,
    flat,
    in_threads,
    key,
    listed,
    loaded,
    looked_up,
    names,
    put_new,
    record,
    revision,
    revision_of,
    told,
)
from cluster import Cluster
from strongroom import Keyring, Vault
from strongroom.errors import InvalidArgumentError, RecordTamperedError, UnsupportedError
from strongroom.stores import AsyncSQLAlchemyStore, NothingAppliedError, SQLAlchemyStore
from strongroom.stores._engine import _options, _url

Connection = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def engine(cluster: Cluster) -> Iterator[Engine]:
    engine = create_engine(cluster.url(scheme="postgresql+psycopg"), pool_size=20)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[Connection]:
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        yield connection


@pytest.fixture
def schema() -> str:
    return f"t_{secrets.token_hex(6)}"


@pytest.fixture
def store(engine: Engine, schema: str) -> SQLAlchemyStore:
    return SQLAlchemyStore(engine, schema=schema)


# Schemas, roles, versions.


@pytest.mark.parametrize(
    "name",
    [
        'a"; DROP SCHEMA public CASCADE; --',
        "o'brien\\",
        "100%s :name $1 $$",
        "{schema}{settings}",
        "\U0001f511" * 15,
        "$1",
    ],
)
def test_a_schema_may_have_any_name(engine: Engine, connection: Connection, keyring: Keyring, name: str) -> None:
    name = f"{secrets.token_hex(1)}{name}"
    for _ in range(2):
        vault = Vault(keyring, SQLAlchemyStore(engine, schema=name))
        vault.set("A", "sk_test_abc123", actor="alice")
    assert vault.get("A", actor="alice").reveal() == "sk_test_abc123"
    vault.verify_audit(actor="alice")
    made = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = %s", [name]).fetchone()
    assert made == (5,)
    assert connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'public'").fetchone() == (1,)
    connection.execute(psycopg.sql.SQL("DROP SCHEMA {} CASCADE").format(psycopg.sql.Identifier(name)))


def test_a_schema_that_no_database_can_have_is_refused(engine: Engine) -> None:
    for name in ("", "x" * 64, "a\0b", "$user"):
        with pytest.raises(InvalidArgumentError, match="schema"):
            SQLAlchemyStore(engine, schema=name)


def test_two_schemas_are_two_vaults(engine: Engine, schema: str) -> None:
    one, other = SQLAlchemyStore(engine, schema=schema), SQLAlchemyStore(engine, schema=f"{schema}_2")
    put_new(one, key("A"))
    assert loaded(other, key("A")) == []


def test_what_a_session_looks_through_first_changes_nothing(
    cluster: Cluster, store: SQLAlchemyStore, schema: str
) -> None:
    put_new(store, key("A"))
    elsewhere = create_engine(cluster.url(scheme="postgresql+psycopg"))
    with elsewhere.connect() as connection:
        # Its own `secrets`, and its own idea of what a number is.
        connection.exec_driver_sql("CREATE SCHEMA evil")
        connection.exec_driver_sql("CREATE TEMP TABLE secrets (namespace text, name text)")
        connection.exec_driver_sql("CREATE FUNCTION evil.hashtext(text) RETURNS int LANGUAGE sql AS 'SELECT 1/0'")
        connection.exec_driver_sql("SET search_path = evil, pg_catalog")
        connection.commit()
        load = f'SELECT "{schema}".strongroom_load(%s::jsonb)::text'
        found = connection.exec_driver_sql(load, (json.dumps({"keys": [key("A")]}),)).scalar_one()
        assert len(json.loads(found)["records"]) == 1
        connection.rollback()
        connection.exec_driver_sql("DROP SCHEMA evil CASCADE")
        connection.commit()
    elsewhere.dispose()


def test_processes_that_open_a_fresh_database_at_once_all_succeed(
    cluster: Cluster, schema: str, keyring: Keyring
) -> None:
    program = (
        "import sys; from strongroom import Keyring, Vault; from strongroom.stores import SQLAlchemyStore\n"
        "sys.stdin.readline()\n"
        "with SQLAlchemyStore(sys.argv[1], schema=sys.argv[2]) as store:\n"
        "    Vault(Keyring.parse(sys.argv[3]), store).set('A' + sys.argv[4], 'x' * 20, actor='a')\n"
    )
    text = keyring.dangerous_export()
    commands = [[sys.executable, "-c", program, cluster.url(), schema, text, str(index)] for index in range(6)]
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, **pipes) for command in commands]  # type: ignore[call-overload]
    for process in running:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate(timeout=120)[1] for process in running] == [""] * 6
    with SQLAlchemyStore(cluster.url(), schema=schema) as store:
        vault = Vault(keyring, store)
        assert len(vault.list(actor="a")) == 6
        vault.verify_audit(actor="a")


def test_a_newer_version_and_another_program_s_tables_are_refused_and_left_alone(
    engine: Engine, store: SQLAlchemyStore, schema: str, connection: Connection
) -> None:
    put_new(store, key("A"))
    connection.execute(f'UPDATE "{schema}".strongroom_schema SET version = 2')
    with pytest.raises(UnsupportedError, match="newer strongroom: update"):
        SQLAlchemyStore(engine, schema=schema)
    connection.execute(f'CREATE SCHEMA "{schema}_2"; CREATE TABLE "{schema}_2".secrets (id int)')
    with pytest.raises(UnsupportedError, match="schema of its own"):
        SQLAlchemyStore(engine, schema=f"{schema}_2")
    made = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = %s", [f"{schema}_2"]).fetchone()
    assert made == (1,)


def test_a_migration_that_fails_half_way_leaves_nothing(engine: Engine, schema: str, connection: Connection) -> None:
    # A type in the way of the last function.
    connection.execute(f'CREATE SCHEMA "{schema}"')
    commit_ = f"CREATE FUNCTION \"{schema}\".strongroom_commit(jsonb) RETURNS int LANGUAGE sql AS 'SELECT 1'"
    connection.execute(commit_)
    with pytest.raises(ProgrammingError):
        SQLAlchemyStore(engine, schema=schema)
    made = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = %s", [schema]).fetchone()
    assert made == (0,)


def test_a_role_that_may_create_nothing_uses_what_is_there(
    cluster: Cluster, store: SQLAlchemyStore, schema: str, connection: Connection
) -> None:
    put_new(store, key("A"))
    role = f"{schema}_user"
    connection.execute(
        f"CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA {schema} TO {role};"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"
    )
    url = f"postgresql://{role}:x@127.0.0.1:{cluster.port}/postgres"
    with SQLAlchemyStore(url, schema=schema) as limited:
        assert commit(limited, puts=[(record(key("A"), 2), revision(1))], events=[event()]) == "committed"
        put_new(limited, key("B"))
    with pytest.raises(ProgrammingError, match="permission denied"):
        SQLAlchemyStore(url, schema=f"{schema}_2")


@pytest.fixture
def role(connection: Connection, schema: str) -> Iterator[str]:
    """One that owns nothing and may create nothing."""
    connection.execute(f"CREATE ROLE {schema}_role LOGIN PASSWORD 'x'")
    yield f"{schema}_role"
    connection.execute(f"DROP OWNED BY {schema}_role CASCADE; DROP ROLE {schema}_role")


def test_a_schema_in_which_everybody_may_create_is_refused(engine: Engine, connection: Connection, schema: str) -> None:
    connection.execute(f"CREATE SCHEMA {schema}; GRANT CREATE ON SCHEMA {schema} TO PUBLIC")
    with pytest.raises(UnsupportedError, match=f'REVOKE CREATE ON SCHEMA "{schema}" FROM PUBLIC'):
        SQLAlchemyStore(engine, schema=schema)
    connection.execute(f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC")
    put_new(SQLAlchemyStore(engine, schema=schema), key("A"))
    connection.execute(f"GRANT CREATE ON SCHEMA {schema} TO PUBLIC")
    with pytest.raises(UnsupportedError, match="REVOKE"):
        SQLAlchemyStore(engine, schema=schema)


@pytest.mark.parametrize(
    "planted",
    [
        "CREATE TABLE {0}.strongroom_schema (version integer)",
        "CREATE VIEW {0}.secrets AS SELECT 1 AS name",
        "CREATE FUNCTION {0}.strongroom_count(number integer) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'",
    ],
)
def test_what_another_role_made_there_is_not_taken_for_the_vault_s(
    engine: Engine, connection: Connection, cluster: Cluster, schema: str, role: str, planted: str
) -> None:
    connection.execute(f"CREATE SCHEMA {schema}; GRANT CREATE, USAGE ON SCHEMA {schema} TO {role}")
    with psycopg.connect(f"postgresql://{role}:x@127.0.0.1:{cluster.port}/postgres") as other:
        other.execute(planted.format(schema))
    with pytest.raises(UnsupportedError, match="belongs to a role"):
        SQLAlchemyStore(engine, schema=schema)


def test_what_a_role_made_where_it_was_let_is_its_own_and_of_those_who_are_members_of_it(
    connection: Connection, cluster: Cluster, schema: str, role: str
) -> None:
    connection.execute(f"CREATE SCHEMA {schema}; GRANT CREATE, USAGE ON SCHEMA {schema} TO {role}")
    member = f"{schema}_member"
    connection.execute(f"CREATE ROLE {member} LOGIN PASSWORD 'x' IN ROLE {role}")
    for user in (role, member):
        with SQLAlchemyStore(f"postgresql://{user}:x@127.0.0.1:{cluster.port}/postgres", schema=schema) as store:
            put_new(store, key(user))
    connection.execute(f"DROP ROLE {member}")


def test_better_matches_that_others_have_put_in_reach_are_never_called(
    cluster: Cluster, connection: Connection, schema: str, keyring: Keyring
) -> None:
    # In the vault's own schema and in one that the session looks through.
    connection.execute(f"CREATE SCHEMA {schema}; CREATE SCHEMA {schema}_evil")
    for planted in (schema, f"{schema}_evil"):
        for signature in (
            "hashtext(varchar)",
            "pg_advisory_xact_lock(integer, bigint)",
            "jsonb_array_elements(text)",
            "starts_with(name, text)",
            "json_build_object(text, integer, text, name, text, bool, text, bool, text, bool, text, json, text, json)",
            "json_build_object(text, json)",
            "json_build_array(text, text)",
            "json_build_object(text, text, text, text, text, text)",
            "isfinite(timestamptz)",
        ):
            connection.execute(
                f"CREATE FUNCTION {planted}.{signature} RETURNS json LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'planted'; END $$"
            )
    options = {"options": f"-c search_path={schema}_evil"}
    reached = create_engine(cluster.url(scheme="postgresql+psycopg"), connect_args=options)
    with reached.connect() as looking, pytest.raises(DBAPIError, match="planted"):
        looking.exec_driver_sql("SELECT json_build_object('a'::text, '1'::json)")
    vault = Vault(keyring, SQLAlchemyStore(reached, schema=schema))
    vault.set("A", "sk_test_abc123", actor="alice")
    assert vault.get("A", actor="alice").reveal() == "sk_test_abc123"
    assert len(vault.list(actor="alice")) == 1
    vault.verify_audit(actor="alice")
    reached.dispose()


# What PostgreSQL cannot keep.


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_a_text_that_postgresql_cannot_keep_is_refused_and_nothing_applied(store: SQLAlchemyStore, text: str) -> None:
    asked = change_set(puts=[(record(key("A")), "absent"), (record(key("B"), 1, created_by=text), "absent")])
    with pytest.raises((NothingAppliedError, UnicodeEncodeError)):
        store.commit(asked)
    assert listed(store) == [[]]


def test_instants_are_exact_as_far_as_postgresql_goes_and_refused_beyond(store: SQLAlchemyStore) -> None:
    kept = [-210_866_803_200_000, -62_135_596_800_001, -1, 0, 999, 2**53 - 1, 9_007_199_254_740_123]
    keys = [key(f"A{index}") for index, _ in enumerate(kept)]
    puts = [(record(of, 1, last_rotated=at, created_at=at), "absent") for of, at in zip(keys, kept, strict=True)]
    assert commit(store, puts=puts, events=[{**event("s", 1), "at": kept[0]}]) == "committed"
    found = {each["key"]["name"]: each["columns"]["last_rotated"] for each in loaded(store, *keys)}
    assert [found[of["name"]] for of in keys] == kept
    assert flat(told(store, "latest"))[0]["at"] == kept[0]
    for beyond in (-210_866_803_200_001, -(2**53) + 1, 2**63 - 1):
        with pytest.raises(NothingAppliedError, match="nothing was applied") as caught:
            commit(store, puts=[(record(key("B"), 1, last_rotated=beyond), "absent")])
        assert isinstance(caught.value.__cause__, InvalidArgumentError)
    assert revision_of(store, key("B")) is None


def test_instants_that_only_lists_go_by_are_held_at_the_ends(store: SQLAlchemyStore) -> None:
    ends = {"early": -(2**53) + 1, "late": 2**63 - 1, "now": 5}
    found = [(record(key(name)), "absent", {"due_at": at, "expires_at": at}) for name, at in ends.items()]
    assert commit(store, found=found) == "committed"
    for by in ("due", "expired"):
        assert names(looked_up(store, {by: 5}, limit=1)) == [("default", "early"), ("default", "now")]
        assert len(names(looked_up(store, {by: 2**63 - 1}, limit=1))) == 3
        assert names(looked_up(store, {by: -(2**53) + 1})) == [("default", "early")]


def test_records_of_a_megabyte_and_commits_of_ten_thousand_are_whole(store: SQLAlchemyStore) -> None:
    data = json.dumps({"text": "x" * 1_000_000})
    assert commit(store, puts=[({**record(key("A", kind="pending")), "data": data}, "absent")]) == "committed"
    assert loaded(store, key("A", kind="pending"))[0]["data"] == data
    keys = [key(f"K{index:05}") for index in range(10_000)]
    put_new(store, *keys)
    puts = [(record(of, 2), revision(1)) for of in keys]
    stale = [*puts[:-1], (record(keys[-1], 3), revision(2))]
    assert commit(store, puts=stale) == "conflict"
    assert commit(store, puts=puts, counters=[(of, 1, 5) for of in keys]) == "committed"
    assert {each["revision"] for each in flat(listed(store))} == {2}
    assert commit(store, deletes=[(of, revision(2)) for of in keys]) == "committed"
    assert listed(store) == [[]]


# Other programs.


def test_another_program_s_row_is_refused_and_told_until_it_is_adopted(
    store: SQLAlchemyStore, schema: str, connection: Connection, keyring: Keyring
) -> None:
    vault = Vault(keyring, store)
    vault.set("A", "sk_test_abc123", actor="alice")
    connection.execute(f"INSERT INTO {schema}.secrets (name, value_encrypted) VALUES ('B', 'x')")
    connection.execute(f"UPDATE {schema}.secrets SET created_at = 'infinity', last_rotated = now() WHERE name = 'B'")
    with pytest.raises(RecordTamperedError):
        vault.get("B", actor="alice")
    assert vault.get("A", actor="alice").reveal() == "sk_test_abc123"
    connection.execute(f"UPDATE {schema}.secrets SET state = 'disabled' WHERE name = 'A'")
    with pytest.raises(RecordTamperedError):
        vault.get("A", actor="alice")


def test_lists_by_an_instant_pass_over_rows_without_a_name(
    store: SQLAlchemyStore, schema: str, connection: Connection
) -> None:
    connection.execute(
        f"INSERT INTO {schema}.secrets (rotation_due, expires_at) VALUES (to_timestamp(0), to_timestamp(0))"
    )
    assert commit(store, found=[(record(key("A")), "absent", {"due_at": 5, "expires_at": 5})]) == "committed"
    for by in ("due", "expired"):
        assert names(looked_up(store, {by: 5}, limit=1)) == [("default", "A")]


def test_statements_for_the_tables_of_the_bot_still_run(
    store: SQLAlchemyStore, schema: str, connection: Connection, keyring: Keyring
) -> None:
    vault = Vault(keyring, store)
    vault.set("A", "sk_test_abc123", actor="alice")
    vault.get("A", actor="bob")
    row = connection.execute(
        "SELECT id, name, encryption_key_id IS NOT NULL, last_rotated <= now(), accessed_count, created_by,"
        f" created_at <= now(), updated_at <= now() FROM {schema}.secrets"
    ).fetchone()
    assert row == (1, "A", True, True, 1, "alice", True, True)
    audit = f"SELECT secret_id, secret_name, action, user_id, success FROM {schema}.secrets_audit WHERE action = 'get'"
    assert connection.execute(audit).fetchall() == [(1, "A", "get", "bob", True)]


# Locks.


def test_a_check_holds_until_its_commit_and_counters_do_not_wait_for_it(
    store: SQLAlchemyStore, schema: str, cluster: Cluster
) -> None:
    put_new(store, key("A"), key("R", "", "ring"))
    held = change_set(checks=[(key("A"), revision(1)), (key("R", "", "ring"), revision(1))], events=[event("s", 1)])
    with psycopg.connect(cluster.url()) as other:
        call = f"SELECT {schema}.strongroom_commit(%s::jsonb)::text"
        assert other.execute(call, [json.dumps({"change_set": held})]).fetchone() == ('"committed"',)
        # The one that checked has not ended yet.
        assert commit(store, counters=[(key("A"), 1, 5)], events=[event("t", 1)]) == "committed"
        assert commit(store, checks=[(key("A"), revision(1))], events=[event("t", 2)]) == "committed"
        answers: list[str] = []
        puts = [(record(key("A"), 2), revision(1)), (record(key("R", "", "ring"), 2), revision(1))]
        writers = [threading.Thread(target=lambda put=put: answers.append(commit(store, puts=[put]))) for put in puts]
        for writer in writers:
            writer.start()
        time.sleep(0.5)
        assert answers == []
        other.commit()
        for writer in writers:
            writer.join()
    assert answers == ["committed"] * 2


def wait_for_locks(connection: Connection, schema: str, count: int) -> None:
    """Until so many commits wait for another one."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
    for _ in range(500):
        if connection.execute(waiting, [f"%{schema}%"]).fetchone() == (count,):
            return
        time.sleep(0.02)
    raise AssertionError(f"{count} commits should be waiting")


@pytest.mark.parametrize("kind", ["head", "ring", "policy"])
def test_checks_that_come_later_wait_behind_a_put_of_what_every_commit_checks(
    store: SQLAlchemyStore, schema: str, cluster: Cluster, connection: Connection, kind: str
) -> None:
    of = key("R", "", kind)
    put_new(store, of)
    check = change_set(checks=[(of, revision(1))], events=[event("s", 1)])
    answers: dict[str, str] = {}

    def asked(name: str, **parts: Any) -> threading.Thread:
        thread = threading.Thread(target=lambda: answers.update({name: commit(store, **parts)}))
        thread.start()
        return thread

    with psycopg.connect(cluster.url()) as other:
        call = f"SELECT {schema}.strongroom_commit(%s::jsonb)::text"
        assert other.execute(call, [json.dumps({"change_set": check})]).fetchone() == ('"committed"',)
        put = asked("put", puts=[(record(of, 2), revision(1))])
        wait_for_locks(connection, schema, 1)
        later = asked("later", checks=[(of, revision(1))], events=[event("s", 2)])
        wait_for_locks(connection, schema, 2)
        other.commit()
        put.join()
        later.join()
    assert answers == {"put": "committed", "later": "conflict"}


def test_a_put_of_what_every_commit_checks_gets_through_whoever_checks_it_all_the_time(store: SQLAlchemyStore) -> None:
    watched = [key("H", "", "head"), key("R", "", "ring"), key("P", "", "policy")]
    put_new(store, *watched)
    puts, over = 20, threading.Event()
    told_checks: list[str] = []
    tries: list[str] = []

    def check(index: int) -> None:
        while not over.is_set():
            seen = [(of, revision(revision_of(store, of) or 0)) for of in watched]
            told_checks.extend(commit(store, checks=seen, counters=[(key("A"), 1, 5)]) for _ in range(20))

    def put(_: int) -> None:
        try:
            for number in range(1, puts + 1):
                before = len(told_checks)
                while len(told_checks) < before + 8:
                    time.sleep(0.001)
                for of in watched:
                    tries.append(commit(store, puts=[(record(of, number + 1), revision(number))]))
        finally:
            over.set()

    in_threads(9, lambda index: check(index) if index else put(index))
    assert tries == ["committed"] * (puts * len(watched))
    assert told_checks.count("committed") >= puts


def test_what_is_checked_to_be_absent_is_made_by_nobody_until_the_commit(
    store: SQLAlchemyStore, schema: str, cluster: Cluster
) -> None:
    held = change_set(checks=[(key("A"), "absent")], events=[event("s", 1)])
    with psycopg.connect(cluster.url()) as other:
        call = f"SELECT {schema}.strongroom_commit(%s::jsonb)::text"
        assert other.execute(call, [json.dumps({"change_set": held})]).fetchone() == ('"committed"',)
        assert commit(store, checks=[(key("A"), "absent")], events=[event("s", 2)]) == "committed"
        answers: list[str] = []
        maker = threading.Thread(target=lambda: answers.append(commit(store, puts=[(record(key("A")), "absent")])))
        maker.start()
        time.sleep(0.5)
        assert answers == []
        other.commit()
        maker.join()
    assert answers == ["committed"]


def test_whoever_asks_again_while_the_first_is_under_way_learns_that_it_was_applied(
    store: SQLAlchemyStore, schema: str, cluster: Cluster
) -> None:
    put_new(store, key("A"))
    asked = change_set(puts=[(record(key("A"), 2), revision(1))], counters=[(key("A"), 1, 5)], events=[event("s", 1)])
    bare = change_set(events=[{**event(), "stream": None, "seq": None}])
    answers: list[str] = []
    for each in (asked, bare):
        answers.clear()
        with psycopg.connect(cluster.url()) as first:
            call = f"SELECT {schema}.strongroom_commit(%s::jsonb)::text"
            assert first.execute(call, [json.dumps({"change_set": each})]).fetchone() == ('"committed"',)
            again = threading.Thread(target=lambda each=each: answers.append(store.commit(each)))
            again.start()
            time.sleep(0.3)
            assert answers == []
            first.commit()
            again.join()
        assert answers == ["committed"]
    assert loaded(store, key("A"))[0]["counters"]["accessed_count"] == 1
    assert len(flat(told(store, "latest"))) == 2


def test_commits_that_cross_wait_and_never_in_a_circle(store: SQLAlchemyStore, connection: Connection) -> None:
    keys = [key("a"), key("b"), key("R", "", "ring"), key("P", "", "policy")]
    put_new(store, *keys)
    before = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'").fetchone()
    answers: list[str] = []

    def cross(index: int) -> None:
        # Each writes two of them, in an order of its own, and checks and counts the others.
        for turn in range(25):
            order = [keys[(index + turn + step * (1 if index % 2 else 3)) % 4] for step in range(4)]
            seen = {of["name"]: revision_of(store, of) for of in keys}
            put = [(record(of, (seen[of["name"]] or 0) + 1), revision(seen[of["name"]] or 0)) for of in order[:2]]
            checked = [(of, revision(seen[of["name"]] or 0)) for of in order[2:]]
            new = [(record(key(f"{index}-{turn}-{part}")), "absent") for part in "zax"]
            counted = [(of, 1, 5) for of in reversed(order)]
            answers.append(commit(store, puts=[*put, *new], checks=checked, counters=counted))

    in_threads(8, cross)
    assert set(answers) == {"committed", "conflict"}
    time.sleep(1.2)  # Statistics are told once a second.
    after = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'").fetchone()
    assert after == before


def test_a_commit_fills_no_lock_table(store: SQLAlchemyStore, schema: str, cluster: Cluster) -> None:
    puts = [(record(key(f"K{index:05}")), "absent") for index in range(10_000)]
    with psycopg.connect(cluster.url()) as other:
        call = f"SELECT {schema}.strongroom_commit(%s::jsonb)::text"
        other.execute(call, [json.dumps({"change_set": change_set(puts=puts)})])
        locks = other.execute("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()").fetchone()
        assert locks is not None
        assert locks[0] < 100
        other.rollback()


def test_a_new_secret_is_not_found_by_what_an_earlier_one_of_its_name_was(
    store: SQLAlchemyStore, schema: str, cluster: Cluster
) -> None:
    def found(fingerprint: str) -> list[Any]:
        query = {"kind": "secret", "namespace": None, "limit": 10, "by": {"fingerprint": fingerprint}}
        items: list[Any] = store.list(query, None)["items"]
        return items

    assert commit(store, found=[(record(key("A")), "absent", {"fingerprints": ["ab" * 32]})]) == "committed"
    assert len(found("ab" * 32)) == 1
    with psycopg.connect(cluster.url(), autocommit=True) as other:
        other.execute(f"DELETE FROM {schema}.secrets WHERE name = 'A'")
    assert commit(store, found=[(record(key("A")), "absent", {"fingerprints": ["cd" * 32]})]) == "committed"
    assert (len(found("ab" * 32)), len(found("cd" * 32))) == (0, 1)


def test_another_isolation_is_refused_before_anything_is_written(
    cluster: Cluster, store: SQLAlchemyStore, schema: str
) -> None:
    strict = create_engine(
        cluster.url(scheme="postgresql+psycopg"),
        connect_args={"options": "-c default_transaction_isolation=serializable"},
    )
    with pytest.raises(psycopg.Error, match="READ COMMITTED") as caught:
        put_new(SQLAlchemyStore(strict, schema=schema), key("A"))
    assert caught.value.sqlstate == "25000"
    assert listed(store) == [[]]
    strict.dispose()


def test_what_is_committed_is_on_disk_though_the_session_would_not_wait_for_it(
    store: SQLAlchemyStore, schema: str, cluster: Cluster
) -> None:
    with psycopg.connect(cluster.url()) as lax:
        lax.execute("SET synchronous_commit = off")
        lax.commit()
        call = f"SELECT {schema}.strongroom_commit(%s::jsonb)::text"
        lax.execute(call, [json.dumps({"change_set": change_set(events=[event()])})])
        assert lax.execute("SHOW synchronous_commit").fetchone() == ("on",)
        lax.commit()
        assert lax.execute("SHOW synchronous_commit").fetchone() == ("off",)
        lax.rollback()


def test_a_lock_is_waited_for_no_longer_than_the_session_says_or_thirty_seconds(
    store: SQLAlchemyStore, schema: str, cluster: Cluster
) -> None:
    with psycopg.connect(cluster.url()) as session:
        for asked, used in (("0", "30s"), ("3s", "3s")):
            session.execute(f"SET lock_timeout = '{asked}'")
            session.commit()
            call = f"SELECT {schema}.strongroom_commit(%s::jsonb)::text"
            session.execute(call, [json.dumps({"change_set": change_set(events=[event()])})])
            assert session.execute("SHOW lock_timeout").fetchone() == (used,)
            session.rollback()
            assert session.execute("SHOW lock_timeout").fetchone() == (asked,)


# The order of events.


def test_within_a_stream_events_are_numbered_and_kept_in_one_order_whoever_writes(
    store: SQLAlchemyStore, schema: str, connection: Connection, keyring: Keyring
) -> None:
    vault = Vault(keyring, store)
    for name in "AB":
        vault.set(name, "sk_test_abc123", actor="alice")

    def work(index: int) -> None:
        for turn in range(16):
            vault.get("AB"[turn % 2], actor=f"user-{index}")

    in_threads(8, work)
    order = f"SELECT stream, seq, lag(seq) OVER (PARTITION BY stream ORDER BY id) AS before FROM {schema}.secrets_audit"
    wrong = connection.execute(f"SELECT * FROM ({order}) AS each WHERE seq <> before + 1").fetchall()
    assert wrong == []
    assert len(vault.audit("A", actor="alice", limit=1000)) == 65
    vault.verify_audit(actor="alice")


# What is asked of the server.


def test_a_request_is_one_round_trip_and_one_transaction(cluster: Cluster, schema: str, tmp_path: Path) -> None:
    with SQLAlchemyStore(cluster.url(), schema=schema) as store, (tmp_path / "trace").open("w+b") as trace:
        put_new(store, key("A"))
        loaded(store, key("A"))
        told(store, "latest")
        listed(store)
        with store._engine.connect() as pooled:
            native: Any = pooled.connection.driver_connection
            native.pgconn.trace(trace.fileno())
        requests: list[Callable[[], object]] = [
            lambda: put_new(store, key("B")),
            lambda: loaded(store, key("A"), key("B")),
            lambda: listed(store),
            lambda: told(store, "latest"),
        ]
        for turn, request in enumerate(requests, 1):
            request()
            sent = re.findall(r"\tF\t\d+\t(\w+)", (tmp_path / "trace").read_text())
            # Prepared when it was asked for the first time; nothing begins a transaction or sets one back.
            assert sent == ["Bind", "Describe", "Execute", "Sync"] * turn
        native.pgconn.untrace()


# What is said of a server that is far away.


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@db.example/x",
        "postgresql://u@/x?host=/tmp,db.example",
        "postgresql://u@127.0.0.1/x?hostaddr=10.0.0.1",
    ],
)
def test_a_connection_that_leaves_the_machine_is_encrypted(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    assert _options(_url(url), "psycopg", require_tls=True)["connect_args"]["sslmode"] == "require"
    assert "sslmode" not in _options(_url(url), "psycopg", require_tls=False)["connect_args"]
    assert _options(_url(url), "asyncpg", require_tls=True)["connect_args"]["ssl"] == "require"
    more = f"{url}{'&' if '?' in url else '?'}sslmode="
    assert "sslmode" not in _options(_url(f"{more}verify-full"), "psycopg", require_tls=True)["connect_args"]
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert "sslmode" not in _options(_url(url), "psycopg", require_tls=True)["connect_args"]
    for weak in ("disable", "allow", "prefer"):
        for open_ in (SQLAlchemyStore, AsyncSQLAlchemyStore):
            with pytest.raises(InvalidArgumentError, match="require_tls=False"):
                open_(f"{more}{weak}")
    monkeypatch.setenv("PGSSLMODE", "disable")
    with pytest.raises(InvalidArgumentError, match="verify-full"):
        SQLAlchemyStore(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@localhost/x",
        "postgresql://u@127.0.0.9/x",
        "postgresql://u@[::1]/x",
        "postgresql:///x",
        "postgresql:///x?host=/run/postgresql",
        "postgresql:///x?host=localhost:5,127.0.0.1:6",
    ],
)
def test_one_that_stays_on_the_machine_need_not_be(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGSSLMODE", "PGHOST", "PGHOSTADDR", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    assert "sslmode" not in _options(_url(url), "psycopg", require_tls=True)["connect_args"]
    if "@" not in url and "host" not in url:
        monkeypatch.setenv("PGHOST", "db.example")
        assert _options(_url(url), "psycopg", require_tls=True)["connect_args"]["sslmode"] == "require"


@pytest.mark.parametrize(
    "query", ["conninfo=host%3Ddb.example", "dsn=postgresql://db.example/x", "service=far", "servicefile=/far"]
)
def test_what_a_url_does_not_show_is_refused_where_the_connection_must_be_encrypted(query: str) -> None:
    for url in (f"postgresql://u@localhost/x?{query}", f"postgresql://u@db.example/x?sslmode=verify-full&{query}"):
        for driver in ("psycopg", "asyncpg"):
            with pytest.raises(InvalidArgumentError, match="require_tls=False"):
                _options(_url(url), driver, require_tls=True)
            _options(_url(url), driver, require_tls=False)


def test_a_server_that_speaks_no_tls_is_not_spoken_to(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    # It is on this machine, and taken for one that is not.
    monkeypatch.setattr("strongroom.stores._engine._is_local", lambda host: False)
    with pytest.raises(DBAPIError, match="SSL"):
        SQLAlchemyStore(cluster.url())
    SQLAlchemyStore(cluster.url(), require_tls=False, schema=f"t_{secrets.token_hex(6)}").close()


def test_a_unix_socket_is_fine(cluster: Cluster, schema: str) -> None:
    url = f"postgresql://postgres:{cluster.password}@/postgres?host={cluster.socket_folder}&port={cluster.port}"
    with SQLAlchemyStore(url, schema=schema) as store:
        put_new(store, key("A"))


def test_an_error_tells_no_password(cluster: Cluster) -> None:
    url = cluster.url().replace(cluster.password, "hunter2")
    with pytest.raises(DBAPIError) as caught:
        SQLAlchemyStore(url)
    assert "hunter2" not in f"{caught.value!r} {caught.value} {caught.value.__cause__}"


def test_a_url_with_a_password_that_is_not_escaped_is_refused_without_a_piece_of_it() -> None:
    url = "postgresql://u:x@host:hunter2/x"
    for open_ in (SQLAlchemyStore, AsyncSQLAlchemyStore):
        with pytest.raises(InvalidArgumentError) as caught:
            open_(url)
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))
