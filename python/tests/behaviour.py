"""What every store does, as tests over the raw contract: `load`, `list`, `commit`, `events`.

A class of tests per store inherits from `StoreBehaviour` and supplies the fixture `store`. No vault takes part, so
records and events hold what the tests put there.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.stores import CommitAnswer, Store

# One store for all examples: they use names of their own. The suite runs on several stores.
SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]

Wire = dict[str, Any]


def key(name: str, namespace: str = "default", kind: str = "secret") -> Wire:
    return {"kind": kind, "namespace": namespace, "name": name}


def record(of: Wire, revision: int = 1, **columns: Any) -> Wire:
    return {"key": of, "revision": revision, "columns": columns, "data": "{}", "mac": "ab" * 32}


def event(stream: str = "vault", seq: int = 1, **fields: Any) -> Wire:
    return {"stream": stream, "seq": seq, "at": 1_700_000_000_000 + seq, "action": "set", **fields}


def revision(number: int) -> Wire:
    return {"revision": number}


def change_set(
    *,
    puts: Iterable[tuple[Wire, Any]] = (),
    found: Iterable[tuple[Wire, Any, Wire]] = (),
    deletes: Iterable[tuple[Wire, Any]] = (),
    checks: Iterable[tuple[Wire, Any]] = (),
    counters: Iterable[tuple[Wire, int, int]] = (),
    events: Iterable[Wire] = (),
    operation_id: str | None = None,
) -> Wire:
    operation_id = operation_id or secrets.token_hex(16)
    indexed = [{"record": record, "expected": expected, "index": index} for record, expected, index in found]
    return {
        "operation_id": operation_id,
        "puts": [*({"record": record, "expected": expected} for record, expected in puts), *indexed],
        "deletes": [{"key": key, "expected": expected} for key, expected in deletes],
        "checks": [{"key": key, "expected": expected} for key, expected in checks],
        "counters": [{"key": key, "accessed": accessed, "at": at} for key, accessed, at in counters],
        "events": [{**event, "operation_id": operation_id} for event in events],
    }


def commit(store: Store, **parts: Any) -> CommitAnswer:
    return store.commit(change_set(**parts))


def put_new(store: Store, *keys: Wire) -> None:
    assert commit(store, puts=[(record(key), "absent") for key in keys]) == "committed"


def append(store: Store, *events: Wire) -> None:
    """One commit each, so that the store sees them in this order."""
    for each in events:
        assert commit(store, events=[each]) == "committed"


def loaded(store: Store, *keys: Wire) -> list[Wire]:
    return store.load(list(keys))


def revision_of(store: Store, of: Wire) -> int | None:
    found = loaded(store, of)
    return found[0]["revision"] if found else None


def given_fields(wire: Wire) -> Wire:
    """Without the fields that are absent: a store may tell them as null or not at all."""
    return {name: value for name, value in wire.items() if value is not None}


def pages(read: Callable[[str | None], Wire], items: str, most: int = 1000) -> list[list[Wire]]:
    found, cursor = [], None
    for _ in range(most):
        page = read(cursor)
        found.append(page[items])
        cursor = page["cursor"]
        if cursor is None:
            return found
        assert page[items], "a page that is not the last one is empty"
    raise AssertionError("the pages do not end")


def listed(store: Store, kind: str = "secret", namespace: str | None = None, limit: int = 1000) -> list[list[Wire]]:
    query = {"kind": kind, "namespace": namespace, "limit": limit}
    return pages(lambda cursor: store.list(query, cursor), "items")


def looked_up(
    store: Store, by: Wire, kind: str = "secret", namespace: str | None = None, limit: int = 1000
) -> list[list[Wire]]:
    query = {"kind": kind, "namespace": namespace, "by": by, "limit": limit}
    return pages(lambda cursor: store.list(query, cursor), "items")


def told(store: Store, scope: Any, limit: int = 1000) -> list[list[Wire]]:
    query = {"scope": scope, "limit": limit}
    return pages(lambda cursor: store.events(query, cursor), "events")


def flat(pages: list[list[Wire]]) -> list[Wire]:
    return [item for page in pages for item in page]


def names(pages: list[list[Wire]]) -> list[tuple[str, str]]:
    return [(item["key"]["namespace"], item["key"]["name"]) for item in flat(pages)]


def places(pages: list[list[Wire]]) -> list[tuple[str, int]]:
    return [(event["stream"], event["seq"]) for event in flat(pages)]


FULL = {
    "uid": "0123456789abcdef0123456789abcdef",
    "state": "active",
    "version": 3,
    "value_encrypted": "sr1.AAAA",
    "encryption_key_id": "ab" * 32,
    "value_fingerprint": "cd" * 32,
    "last_rotated": 1_700_000_000_001,
    "created_by": "alice \U0001f511 'quoted' \"twice\"",
    "created_at": 1_600_000_000_999,
    "updated_at": 1_700_000_000_002,
}
KINDS = ["secret", "pending", "stream", "head", "ring", "policy"]
OTHER_KINDS = KINDS[1:]


class StoreBehaviour:
    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    # Records.

    def test_an_empty_store_has_nothing(self, store: Store) -> None:
        assert loaded(store, key("A")) == []
        assert [listed(store, kind) for kind in KINDS] == [[[]]] * 6
        assert [told(store, scope) for scope in ("latest", "chained", "unchained")] == [[[]]] * 3

    def test_a_secret_comes_back_to_the_letter(self, store: Store) -> None:
        data = '{"versions": [1,  2], "text": "\\u00e9 \U0001f511"}'
        put = {**record(key("A"), 1, **FULL), "data": data, "counters": {"accessed_count": 7, "last_accessed": 5}}
        assert commit(store, puts=[(put, "absent")]) == "committed"
        [found] = loaded(store, key("A"))
        assert given_fields(found["columns"]) == FULL
        assert {**found, "columns": FULL} == {**put, "columns": FULL}

    @pytest.mark.parametrize("kind", OTHER_KINDS)
    def test_a_record_of_another_kind_comes_back_to_the_letter(self, store: Store, kind: str) -> None:
        columns = {"created_by": "alice", "created_at": 1, "updated_at": 2}
        put = {**record(key("A", "", kind), 1, **columns), "data": '{ "a":1}'}
        assert commit(store, puts=[(put, "absent")]) == "committed"
        [found] = loaded(store, key("A", "", kind))
        assert given_fields(found["columns"]) == columns
        assert (found["key"], found["revision"], found["data"], found["mac"]) == (
            put["key"],
            1,
            put["data"],
            put["mac"],
        )

    def test_columns_that_were_absent_stay_absent(self, store: Store) -> None:
        put_new(store, key("A"))
        [found] = loaded(store, key("A"))
        assert given_fields(found["columns"]) == {}

    def test_an_update_can_take_a_column_away_that_is_no_instant(self, store: Store) -> None:
        assert commit(store, puts=[(record(key("A"), 1, **FULL), "absent")]) == "committed"
        rest = {name: FULL[name] for name in ("uid", "created_at", "updated_at", "last_rotated")}
        assert commit(store, puts=[(record(key("A"), 2, **rest), revision(1))]) == "committed"
        [found] = loaded(store, key("A"))
        assert given_fields(found["columns"]) == rest

    @settings(max_examples=60, suppress_health_check=SHARED, deadline=None)
    @given(st.lists(st.integers(-62_135_596_800_000, 253_402_300_799_999), min_size=1, max_size=8))
    def test_an_instant_keeps_its_millisecond(self, store: Store, instants: list[int]) -> None:
        name = secrets.token_hex(8)
        keys = [key(f"{name}-{index}") for index, _ in enumerate(instants)]
        puts = [(record(of, 1, last_rotated=at), "absent") for of, at in zip(keys, instants, strict=True)]
        assert commit(store, puts=puts) == "committed"
        found = {each["key"]["name"]: each["columns"]["last_rotated"] for each in loaded(store, *keys)}
        assert [found[of["name"]] for of in keys] == instants

    def test_load_gives_what_exists_and_nothing_else(self, store: Store) -> None:
        put_new(store, key("A"), key("B"), key("C"))
        found = loaded(store, key("B"), key("missing"), key("A"))
        assert sorted(each["key"]["name"] for each in found) == ["A", "B"]

    def test_load_takes_a_thousand_keys_at_once(self, store: Store) -> None:
        keys = [key(f"K{index:04}") for index in range(1000)]
        put_new(store, *keys)
        assert len(loaded(store, *keys)) == 1000

    @pytest.mark.parametrize(
        "other", ["a", "A ", "A\n", "\u0410", "A\u0301", "A%", "A_", "'A'", 'A"', "A\\", "\U0001f511"]
    )
    def test_names_are_compared_byte_by_byte(self, store: Store, other: str) -> None:
        put_new(store, key("A"), key(other))
        assert [each["key"]["name"] for each in loaded(store, key(other))] == [other]
        assert commit(store, deletes=[(key(other), revision(1))]) == "committed"
        assert names(listed(store)) == [("default", "A")]

    def test_one_name_of_two_kinds_or_namespaces_is_two_records(self, store: Store) -> None:
        keys = [key("A", space, kind) for kind in KINDS for space in ("default", "nexus")]
        put_new(store, *keys)
        assert len(loaded(store, *keys)) == 12
        assert commit(store, deletes=[(key("A", "nexus", "stream"), revision(1))]) == "committed"
        assert len(loaded(store, *keys)) == 11
        assert loaded(store, key("A", "nexus", "stream")) == []

    # Compare and swap.

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_put_that_expects_nothing_meets_a_record(self, store: Store, kind: str) -> None:
        of = key("A", "default", kind)
        put_new(store, of)
        assert commit(store, puts=[(record(of, 1, created_by="mallory"), "absent")]) == "conflict"
        assert given_fields(loaded(store, of)[0]["columns"]) == {}

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("expected", [0, 1, 3, 2**53 - 1])
    def test_a_put_that_expects_another_revision_changes_nothing(self, store: Store, kind: str, expected: int) -> None:
        of = key("A", "default", kind)
        put_new(store, of)
        assert commit(store, puts=[(record(of, 2), revision(1))]) == "committed"
        assert commit(store, puts=[(record(of, 9), revision(expected))]) == "conflict"
        assert revision_of(store, of) == 2

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("other", ["absent", revision(1), revision(3)])
    def test_expectations_of_one_record_that_contradict_each_other_are_a_conflict(
        self, store: Store, kind: str, other: Any
    ) -> None:
        of = key("A", "default", kind)
        put_new(store, of)
        assert commit(store, puts=[(record(of, 2), revision(1))]) == "committed"
        assert commit(store, puts=[(record(of, 3), revision(2))], checks=[(of, other)]) == "conflict"
        assert commit(store, deletes=[(of, revision(2))], checks=[(of, other)]) == "conflict"
        assert commit(store, checks=[(of, other), (of, revision(2))]) == "conflict"
        assert commit(store, checks=[(of, revision(2)), (of, revision(2))]) == "committed"
        assert revision_of(store, of) == 2

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_put_that_expects_a_revision_meets_nothing(self, store: Store, kind: str) -> None:
        of = key("A", "default", kind)
        assert commit(store, puts=[(record(of, 2), revision(1))]) == "conflict"
        assert loaded(store, of) == []

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("expected", ["absent", revision(2)])
    def test_a_delete_that_expects_something_else_deletes_nothing(self, store: Store, kind: str, expected: Any) -> None:
        of = key("A", "default", kind)
        put_new(store, of)
        assert commit(store, deletes=[(of, expected)]) == "conflict"
        assert revision_of(store, of) == 1
        assert commit(store, deletes=[(of, revision(1))]) == "committed"
        assert loaded(store, of) == []
        assert commit(store, deletes=[(of, revision(1))]) == "conflict"

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_check_holds_a_commit_back(self, store: Store, kind: str) -> None:
        checked, other = key("A", "default", kind), key("B")
        put_new(store, checked)
        put = [(record(other), "absent")]
        assert commit(store, puts=put, checks=[(checked, revision(2))]) == "conflict"
        assert commit(store, puts=put, checks=[(checked, "absent")]) == "conflict"
        assert commit(store, puts=put, checks=[(key("C", "default", kind), revision(1))]) == "conflict"
        assert loaded(store, other) == []
        checks = [(checked, revision(1)), (key("C", "default", kind), "absent")]
        assert commit(store, puts=put, checks=checks) == "committed"
        assert revision_of(store, checked) == 1

    def test_a_name_can_be_given_again_after_a_deletion(self, store: Store) -> None:
        put_new(store, key("A"))
        assert commit(store, deletes=[(key("A"), revision(1))]) == "committed"
        put_new(store, key("A"))
        assert revision_of(store, key("A")) == 1

    # All or nothing.

    @pytest.mark.parametrize("broken", ["put", "delete", "check", "event"])
    def test_a_conflict_anywhere_leaves_everything_as_it_was(self, store: Store, broken: str) -> None:
        put_new(store, key("A"), key("B"), key("S", "", "stream"))
        append(store, event("vault", 1))
        before = (loaded(store, key("A"), key("B"), key("S", "", "stream")), told(store, "latest"))
        parts: dict[str, list[Any]] = {
            "puts": [(record(key("A"), 2, state="disabled"), revision(1)), (record(key("NEW")), "absent")],
            "deletes": [(key("B"), revision(1))],
            "checks": [(key("S", "", "stream"), revision(1))],
            "counters": [(key("A"), 5, 9)],
            "events": [event("vault", 2), event("s", 1)],
        }
        wrong: dict[str, tuple[str, Any]] = {
            "put": ("puts", (record(key("B"), 7), revision(6))),
            "delete": ("deletes", (key("missing"), revision(1))),
            "check": ("checks", (key("A"), revision(4))),
            "event": ("events", event("vault", 1)),
        }
        part, item = wrong[broken]
        assert commit(store, **{**parts, part: [*parts[part], item]}) == "conflict"
        assert before == (loaded(store, key("A"), key("B"), key("S", "", "stream")), told(store, "latest"))
        assert loaded(store, key("NEW")) == []
        assert commit(store, **parts) == "committed"

    def test_an_event_s_place_is_taken_once(self, store: Store) -> None:
        append(store, event("s", 1), event("s", 2))
        for seq in (1, 2):
            assert commit(store, events=[event("s", seq, action="get")]) == "conflict"
        assert [each["action"] for each in flat(told(store, "latest"))] == ["set", "set"]
        append(store, event("other", 1))

    # Idempotence.

    def test_a_commit_that_is_asked_for_again_is_applied_once(self, store: Store) -> None:
        asked = change_set(puts=[(record(key("A")), "absent")], counters=[(key("A"), 1, 5)], events=[event("vault", 1)])
        assert [store.commit(asked) for _ in range(3)] == ["committed"] * 3
        [found] = loaded(store, key("A"))
        assert found["counters"] == {"accessed_count": 1, "last_accessed": 5}
        assert places(told(store, "latest")) == [("vault", 1)]

    def test_a_commit_that_is_asked_for_again_later_undoes_nothing(self, store: Store) -> None:
        first = change_set(puts=[(record(key("A")), "absent")], events=[event("vault", 1)])
        assert store.commit(first) == "committed"
        assert commit(store, puts=[(record(key("A"), 2), revision(1))], events=[event("vault", 2)]) == "committed"
        assert store.commit(first) == "committed"
        assert revision_of(store, key("A")) == 2
        assert commit(store, deletes=[(key("A"), revision(2))], events=[event("vault", 3)]) == "committed"
        assert store.commit(first) == "committed"
        assert loaded(store, key("A")) == []

    def test_a_conflict_does_not_count_as_applied(self, store: Store) -> None:
        put_new(store, key("A"))
        asked = change_set(puts=[(record(key("B")), "absent")], deletes=[(key("A"), revision(2))], events=[event()])
        assert store.commit(asked) == "conflict"
        assert commit(store, puts=[(record(key("A"), 2), revision(1))]) == "committed"
        assert store.commit(asked) == "committed"
        assert loaded(store, key("A"), key("B")) == loaded(store, key("B"))

    # Counters.

    def test_counters_add_up_and_leave_the_revision_alone(self, store: Store) -> None:
        put_new(store, key("A"))
        for at in (10, 30, 20):
            assert commit(store, counters=[(key("A"), 2, at)]) == "committed"
        [found] = loaded(store, key("A"))
        assert found["counters"] == {"accessed_count": 6, "last_accessed": 30}
        assert found["revision"] == 1

    def test_a_put_keeps_the_counters(self, store: Store) -> None:
        put_new(store, key("A"))
        assert commit(store, counters=[(key("A"), 3, 10)]) == "committed"
        # A writer who read the record before the access puts back the old count.
        stale = {**record(key("A"), 2), "counters": {"accessed_count": 0, "last_accessed": None}}
        assert commit(store, puts=[(stale, revision(1))]) == "committed"
        assert loaded(store, key("A"))[0]["counters"] == {"accessed_count": 3, "last_accessed": 10}

    def test_a_secret_that_is_new_under_an_old_name_counts_from_the_start(self, store: Store) -> None:
        put_new(store, key("A"))
        assert commit(store, counters=[(key("A"), 3, 10)]) == "committed"
        assert commit(store, deletes=[(key("A"), revision(1))]) == "committed"
        put_new(store, key("A"))
        assert loaded(store, key("A"))[0]["counters"]["accessed_count"] == 0

    def test_counters_of_a_secret_that_is_gone_are_nobody_s(self, store: Store) -> None:
        assert commit(store, counters=[(key("A"), 1, 5)], events=[event()]) == "committed"
        assert loaded(store, key("A")) == []

    # Lists.

    HOSTILE_ORDER = ("", "A", "B", "a", "a/b", "a0", "aa", "z", "\u00e9", "\uff21", "\U0001f511")

    def test_a_list_is_ordered_byte_by_byte(self, store: Store) -> None:
        # UTF-16 units would put the last two the other way round, a dictionary would put "a" beside "A".
        spaces = [space for space in self.HOSTILE_ORDER if space != "B"]
        keys = [key(name, space) for space in spaces for name in self.HOSTILE_ORDER if name]
        put_new(store, *reversed(keys))
        assert names(listed(store)) == [(of["namespace"], of["name"]) for of in keys]

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
    def test_pages_have_the_limit_and_miss_nothing(self, store: Store, kind: str, limit: int) -> None:
        keys = [key(name, space, kind) for space in ("a", "b") for name in ("x", "y", "z")]
        put_new(store, *keys)
        found = listed(store, kind, limit=limit)
        assert names(found) == [(of["namespace"], of["name"]) for of in keys]
        assert all(len(page) == limit for page in found[:-1])
        assert len(found[-1]) <= limit

    def test_a_list_tells_keys_and_revisions_of_its_kind_alone(self, store: Store) -> None:
        put_new(store, key("A"), key("P", "", "pending"))
        assert commit(store, puts=[(record(key("A"), 2), revision(1))]) == "committed"
        assert listed(store) == [[{"key": key("A"), "revision": 2}]]
        assert listed(store, "pending") == [[{"key": key("P", "", "pending"), "revision": 1}]]

    def test_a_list_of_one_namespace_holds_no_other(self, store: Store) -> None:
        put_new(store, *[key("A", space) for space in ("a", "aa", "A", "b", "a%", "a_")])
        assert names(listed(store, namespace="a", limit=1)) == [("a", "A")]
        assert names(listed(store, namespace="nobody")) == []

    def test_pages_stay_right_while_others_write(self, store: Store) -> None:
        put_new(store, *[key(f"K{index}") for index in range(1, 9, 2)])
        query = {"kind": "secret", "namespace": None, "limit": 2}
        first = store.list(query, None)
        put_new(store, key("K0"), key("K4"))
        assert commit(store, deletes=[(key("K3"), revision(1))]) == "committed"
        rest = pages(lambda cursor: store.list(query, cursor or first["cursor"]), "items")
        assert [name for _, name in names(rest)] == ["K4", "K5", "K7"]

    def test_a_cursor_may_point_at_names_of_any_kind(self, store: Store) -> None:
        hostile = ['"', "'", "[1]", "\\", "\n", "null", "\u2028", "\U0001f511"]
        put_new(store, *[key(name, name) for name in hostile])
        assert sorted(names(listed(store, limit=1))) == sorted((name, name) for name in hostile)

    # Lookups.

    @pytest.mark.parametrize(("what", "field"), [("due", "due_at"), ("expired", "expires_at")])
    @pytest.mark.parametrize("limit", [1, 2, 3, 1000])
    def test_what_is_due_or_over_comes_by_its_instant_and_then_by_its_key(
        self, store: Store, what: str, field: str, limit: int
    ) -> None:
        instants = [1_700_000_000_000, 0, 999, 1000, 1000, 1_699_999_999_999, 253_402_300_799_999, -1]
        keys = [key(name, space) for name, space in zip("hgfedcba", "ssstssss", strict=True)]
        # The other instant says something else.
        other = {"due_at": "expires_at", "expires_at": "due_at"}[field]
        found = [(record(of), "absent", {field: at, other: -at}) for of, at in zip(keys, instants, strict=True)]
        assert commit(store, found=found, puts=[(record(key("plain")), "absent")]) == "committed"
        for until in (-2, -1, 0, 998, 999, 1000, 1_700_000_000_000, 253_402_300_799_999):
            for space in (None, "s", "t", "u"):
                expected = sorted(
                    (at, of["namespace"], of["name"])
                    for of, at in zip(keys, instants, strict=True)
                    if at <= until and space in (None, of["namespace"])
                )
                listed = looked_up(store, {what: until}, namespace=space, limit=limit)
                assert names(listed) == [(namespace, name) for _, namespace, name in expected]
                assert all(len(page) == limit for page in listed[:-1])

    @pytest.mark.parametrize("limit", [1, 1000])
    def test_a_fingerprint_finds_who_has_it(self, store: Store, limit: int) -> None:
        one, two = "ab" * 32, "cd" * 32
        of = {("x", "B"): [one], ("x", "a"): [two, one], ("y", "A"): [one], ("y", "C"): [two], ("y", "D"): []}
        found = [(record(key(name, space)), "absent", {"fingerprints": prints}) for (space, name), prints in of.items()]
        assert commit(store, found=found) == "committed"
        for sought in (one, two, one[:-1], one.upper(), "", "%"):
            for space in (None, "x", "y", "z"):
                listed = looked_up(store, {"fingerprint": sought}, namespace=space, limit=limit)
                assert names(listed) == sorted(at for at in of if sought in of[at] and space in (None, at[0]))

    def test_proposals_end_apart_from_secrets(self, store: Store) -> None:
        found = [
            (record(key("S")), "absent", {"expires_at": 1, "due_at": 1}),
            *[(record(key(name, "", "pending")), "absent", {"expires_at": at}) for name, at in (("P", 2), ("Q", 1))],
        ]
        assert commit(store, found=found) == "committed"
        assert names(looked_up(store, {"expired": 2}, "pending", limit=1)) == [("", "Q"), ("", "P")]
        assert names(looked_up(store, {"expired": 1}, "pending", "")) == [("", "Q")]
        assert names(looked_up(store, {"expired": 2})) == [("default", "S")]
        for by in ({"due": 9}, {"fingerprint": ""}):
            assert names(looked_up(store, by, "pending")) == names(looked_up(store, by, "stream")) == []

    def test_a_put_and_a_deletion_replace_what_a_record_is_found_by(self, store: Store) -> None:
        def finds(*by: Wire) -> list[bool]:
            return [names(looked_up(store, each)) == [("default", "A")] for each in by]

        of, late = key("A"), {"due_at": 20, "expires_at": 20, "fingerprints": ["cd" * 32, "ef" * 32]}
        early = {"due_at": 10, "expires_at": 10, "fingerprints": ["ab" * 32, "cd" * 32]}
        before: list[Wire] = [{"due": 10}, {"expired": 10}, {"fingerprint": "ab" * 32}]
        after: list[Wire] = [{"due": 20}, {"expired": 20}, {"fingerprint": "cd" * 32}, {"fingerprint": "ef" * 32}]
        assert commit(store, found=[(record(of), "absent", early)]) == "committed"
        assert finds(*before) == [True] * 3
        assert commit(store, found=[(record(of, 2), revision(7), late)]) == "conflict"
        assert (finds(*before), finds(after[3])) == ([True] * 3, [False])
        assert commit(store, found=[(record(of, 2), revision(1), late)]) == "committed"
        assert (finds(*before), finds(*after)) == ([False] * 3, [True] * 4)
        # An access, a check and another secret's put leave it alone.
        assert commit(store, counters=[(of, 1, 5)], checks=[(of, revision(2))]) == "committed"
        assert commit(store, found=[(record(key("B")), "absent", {"due_at": 99})]) == "committed"
        assert finds(*after) == [True] * 4
        # Nor does what it is found by come back.
        assert "index" not in loaded(store, of)[0]
        assert commit(store, puts=[(record(of, 3), revision(2))]) == "committed"
        assert finds(*after) == [False] * 4
        assert commit(store, found=[(record(of, 4), revision(3), late)]) == "committed"
        assert commit(store, deletes=[(of, revision(4))]) == "committed"
        assert finds(*after) == [False] * 4
        put_new(store, of)
        assert finds(*after) == [False] * 4

    def test_pages_of_what_is_due_stay_right_while_others_write(self, store: Store) -> None:
        due = [(record(key(f"K{index}")), "absent", {"due_at": index // 3}) for index in range(9)]
        assert commit(store, found=due) == "committed"
        query = {"kind": "secret", "namespace": None, "by": {"due": 9}, "limit": 4}
        first = store.list(query, None)
        assert names([first["items"]]) == [("default", f"K{index}") for index in range(4)]
        moved = [
            (record(key("K0"), 2), revision(1), {"due_at": 2}),
            (record(key("K7"), 2), revision(1), {"due_at": 0}),
            (record(key("K3a")), "absent", {"due_at": 1}),
        ]
        assert commit(store, found=moved, deletes=[(key("K3"), revision(1))]) == "committed"
        rest = pages(lambda cursor: store.list(query, cursor or first["cursor"]), "items")
        assert [name for _, name in names(rest)] == ["K3a", "K4", "K5", "K0", "K6", "K8"]

    # Events.

    def test_an_event_comes_back_to_the_letter(self, store: Store) -> None:
        full = {
            **event("vault", 1),
            "operation_id": "ef" * 16,
            "secret_uid": "01" * 16,
            "namespace": "nexus",
            "name": "token \U0001f511",
            "actor": "alice 'x' \"y\"",
            "platform": "telegram",
            "outcome": "error",
            "success": False,
            "code": "SECRET_NOT_FOUND",
            "reason": "rotation",
            "epoch": 1,
            "digest": "aa" * 32,
            "rule": "rule-1",
            "prev_mac": "bb" * 32,
            "mac": "cc" * 32,
        }
        asked = {**change_set(operation_id="ef" * 16), "events": [full]}
        assert store.commit(asked) == "committed"
        assert flat(told(store, "latest")) == [full]

    @pytest.mark.parametrize("success", [True, False, None])
    def test_an_event_keeps_what_it_says_of_success(self, store: Store, success: bool | None) -> None:
        append(store, event(success=success))
        assert flat(told(store, "latest"))[0]["success"] is success

    @pytest.mark.parametrize("limit", [1, 2, 5, 100])
    def test_the_latest_events_come_first(self, store: Store, limit: int) -> None:
        order = [("vault", 1), ("b", 1), ("a", 1), ("vault", 2), ("a", 2)]
        append(store, *[event(*place) for place in order])
        assert places(told(store, "latest", limit)) == order[::-1]

    @pytest.mark.parametrize("limit", [1, 3, 100])
    def test_chained_events_come_by_stream_and_number(self, store: Store, limit: int) -> None:
        append(store, *[event("b", seq) for seq in range(1, 12)], event("B", 1), *[event("a", seq) for seq in (1, 2)])
        ordered = [("B", 1), ("a", 1), ("a", 2), *[("b", seq) for seq in range(1, 12)]]
        assert places(told(store, "chained", limit)) == ordered

    @pytest.mark.parametrize("limit", [1, 2, 100])
    def test_the_events_of_a_slot_are_its_own(self, store: Store, limit: int) -> None:
        slots = [("default", "A"), ("nexus", "A"), ("default", "a"), ("default", "A"), (None, None), ("default", "A")]
        for seq, (namespace, name) in enumerate(slots, 1):
            append(store, event("vault", seq, namespace=namespace, name=name))
        scope = {"slot": {"namespace": "default", "name": "A"}}
        assert places(told(store, scope, limit)) == [("vault", 6), ("vault", 4), ("vault", 1)]

    def test_no_event_of_a_vault_is_outside_the_chain(self, store: Store) -> None:
        append(store, event("vault", 1))
        assert flat(told(store, "unchained")) == []

    @pytest.mark.parametrize("scope", ["latest", {"slot": {"namespace": "default", "name": "A"}}])
    def test_pages_of_latest_events_stay_right_while_others_append(self, store: Store, scope: Any) -> None:
        append(store, *[event("vault", seq, namespace="default", name="A") for seq in range(1, 6)])
        query = {"scope": scope, "limit": 2}
        first = store.events(query, None)
        append(store, *[event("vault", seq, namespace="default", name="A") for seq in (6, 7)])
        rest = pages(lambda cursor: store.events(query, cursor or first["cursor"]), "events")
        assert [seq for _, seq in places([first["events"], *rest])] == [5, 4, 3, 2, 1]

    def test_pages_of_chained_events_stay_right_while_others_append(self, store: Store) -> None:
        append(store, *[event("b", seq) for seq in (1, 2, 3)])
        query = {"scope": "chained", "limit": 2}
        first = store.events(query, None)
        append(store, event("a", 1), event("b", 4))
        rest = pages(lambda cursor: store.events(query, cursor or first["cursor"]), "events")
        assert places([first["events"], *rest]) == [("b", 1), ("b", 2), ("b", 3), ("b", 4)]

    # Threads.

    def test_of_threads_that_swap_one_record_one_wins_each_time(self, store: Store) -> None:
        put_new(store, key("A"))
        won = [0] * 8

        def swap(index: int) -> None:
            while (seen := revision_of(store, key("A")) or 0) < 50:
                if commit(store, puts=[(record(key("A"), seen + 1), revision(seen))]) == "committed":
                    won[index] += 1

        in_threads(8, swap)
        assert sum(won) == 49
        assert revision_of(store, key("A")) == 50

    def test_threads_count_exactly(self, store: Store) -> None:
        put_new(store, key("A"))
        in_threads(8, lambda index: [commit(store, counters=[(key("A"), 1, index)]) for _ in range(50)])
        assert loaded(store, key("A"))[0]["counters"]["accessed_count"] == 400


def in_threads(count: int, run: Callable[[int], Any]) -> None:
    """Runs something in so many threads at once. Raises what the first of them that failed raised."""
    failures: list[BaseException] = []

    def guarded(index: int) -> None:
        try:
            run(index)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=[index]) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
