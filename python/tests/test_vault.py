"""A vault as a user has it, synchronous and asynchronous: every method, typed results, and errors."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from asynchronous import AsyncioStore, in_loops
from behaviour import in_threads
from strongroom import Actor, AuditEvent, Keyring, Listed, Secret, StrongroomError, Vault, Written, _native, aio, errors
from strongroom.errors import (
    ChangedSinceProposedError,
    ConfirmationExpiredError,
    ConfirmationMismatchError,
    ConfirmationNotFoundError,
    InvalidArgumentError,
    KeyUnknownError,
    NameInvalidError,
    PermissionDeniedError,
    RecordTamperedError,
    SecretNotFoundError,
    SessionExpiredError,
    StorageFailedError,
    ValueInvalidError,
    VaultHeadMissingError,
)
from strongroom.stores import MemoryStore, SQLiteStore, Store

VALUE = "sk_test_0123456789_the_rest_is_secret"

Opens = Callable[..., Vault]
VAULTS: dict[str, Opens] = {
    "sync": Vault,
    "asyncio": lambda keyring, store, **options: in_loops(aio.Vault(keyring, store, **options)),
    "asyncio through": lambda keyring, store, **options: in_loops(aio.Vault(keyring, AsyncioStore(store), **options)),
}


@pytest.fixture(params=VAULTS)
def open_vault(request: pytest.FixtureRequest) -> Opens:
    return VAULTS[request.param]


@pytest.fixture
def vault(open_vault: Opens, keyring: Keyring, store: Store) -> Vault:
    return open_vault(keyring, store)


def actions(events: Any) -> list[tuple[str, str]]:
    return [(event.action, event.outcome) for event in events]


def is_now(at: datetime | None) -> bool:
    """Within the last minute; instants have milliseconds, so a fraction of one may be missing."""
    assert at is not None
    assert at.tzinfo is timezone.utc
    return timedelta(milliseconds=-5) < datetime.now(timezone.utc) - at < timedelta(minutes=1)


# Values.


def test_what_is_set_is_got(vault: Vault) -> None:
    written = vault.set("STRIPE_API_KEY", VALUE, actor="alice")
    assert written == Written("default", "STRIPE_API_KEY", 1, True, written.at)
    assert is_now(written.at)
    secret = vault.get("STRIPE_API_KEY", actor="bob")
    assert isinstance(secret, Secret)
    assert secret.reveal() == VALUE


def test_a_secret_of_the_vault_tells_its_details(vault: Vault, keyring: Keyring) -> None:
    written = vault.set("A", VALUE, actor="alice", namespace="nexus")
    details = vault.get("A", actor="alice", namespace="nexus").details
    assert details is not None
    assert (details.namespace, details.name, details.version, details.format) == ("nexus", "A", 1, "sealed")
    assert (details.key_id, details.last_rotated) == (keyring.keys[0].id, written.at)


@pytest.mark.parametrize("value", [b"\0", bytes(range(256)), b"\xff" * 65536, b" ", b"\n"])
def test_values_are_bytes_and_come_back_as_they_were(vault: Vault, value: bytes) -> None:
    vault.set("A", value, actor="alice")
    assert vault.get("A", actor="alice").reveal_bytes() == value
    vault.set("B", Secret(value), actor="alice")
    assert vault.get("B", actor="alice") == Secret(value)


def test_an_empty_value_and_one_over_the_limit_are_refused_and_change_nothing(vault: Vault) -> None:
    vault.set("A", VALUE, actor="alice")
    for call in (vault.set, vault.rotate):
        for value in ("", b"x" * 65537):
            with pytest.raises(ValueInvalidError, match="65536"):
                call("A", value, actor="alice")
    for change in ("set", "rotate"):
        with pytest.raises(ValueInvalidError, match="65536"):
            vault.propose(change, "A", "", actor="alice")
    details = vault.get("A", actor="alice").details
    assert details is not None
    assert details.version == 1


def test_the_limit_is_the_vault_s_to_set(open_vault: Opens, keyring: Keyring) -> None:
    vault = open_vault(keyring, MemoryStore(), value_max=3)
    vault.set("A", "123", actor="alice")
    with pytest.raises(ValueInvalidError, match="1 to 3"):
        vault.set("A", "1234", actor="alice")
    large = open_vault(keyring, MemoryStore(), value_max=1_000_000)
    large.set("A", b"x" * 1_000_000, actor="alice")
    assert len(large.get("A", actor="alice").reveal_bytes()) == 1_000_000


def test_set_and_rotate_make_versions(vault: Vault) -> None:
    vault.set("A", "one", actor="alice")
    second = vault.set("A", "two", actor="alice")
    third = vault.rotate("A", "three", actor="bob")
    assert [(each.version, each.created) for each in (second, third)] == [(2, False), (3, False)]
    assert vault.get("A", actor="alice").reveal() == "three"


def test_what_is_not_there_cannot_be_got_rotated_or_deleted(vault: Vault) -> None:
    for call in (vault.get, vault.delete, lambda name, actor: vault.rotate(name, VALUE, actor=actor)):
        with pytest.raises(SecretNotFoundError, match="Secret not found: there is no secret of that name"):
            call("MISSING", actor="alice")
    assert vault.exists("MISSING", actor="alice") is False


def test_a_deleted_secret_is_gone_and_its_history_stays(vault: Vault) -> None:
    vault.set("A", VALUE, actor="alice")
    assert vault.exists("A", actor="alice") is True
    deleted = vault.delete("A", actor="alice")
    assert (deleted.version, deleted.created) == (None, False)
    assert vault.exists("A", actor="alice") is False
    again = vault.set("A", "again", actor="bob")
    assert (again.version, again.created) == (1, True)
    history = [(event.action, event.actor) for event in vault.audit("A", actor="alice")]
    assert history == [("set", "bob"), ("delete", "alice"), ("set", "alice")]
    vault.verify_audit(actor="alice")


def test_one_name_in_two_namespaces_is_two_secrets(vault: Vault) -> None:
    vault.set("A", "in default", actor="alice")
    vault.set("A", "in nexus", actor="alice", namespace="nexus")
    assert vault.get("A", actor="alice").reveal() == "in default"
    assert vault.get("A", actor="alice", namespace="default").reveal() == "in default"
    vault.delete("A", actor="alice", namespace="default")
    assert vault.get("A", actor="alice", namespace="nexus").reveal() == "in nexus"


def test_a_list_tells_everything_but_values(vault: Vault) -> None:
    for name, space in (("b", "nexus"), ("a", "nexus"), ("Z", "default")):
        vault.set(name, VALUE, actor="alice", namespace=space)
    vault.rotate("a", VALUE, actor="bob", namespace="nexus")
    for _ in range(3):
        vault.get("a", actor="carol", namespace="nexus")
    listed = vault.list(actor="alice")
    assert [(each.namespace, each.name) for each in listed] == [("default", "Z"), ("nexus", "a"), ("nexus", "b")]
    assert listed[1] == vault.list(actor="alice", namespace="nexus")[0]
    told = listed[1]
    assert isinstance(told, Listed)
    assert (told.version, told.state, told.accessed_count, told.created_by) == (2, "active", 3, "alice")
    assert all(is_now(at) for at in (told.last_rotated, told.last_accessed, told.created_at))
    assert (listed[0].accessed_count, listed[0].last_accessed) == (0, None)
    assert vault.list(actor="alice", namespace="nobody") == []
    assert VALUE[4:] not in repr(listed)


def test_more_secrets_than_a_page_are_listed(keyring: Keyring, store: Store) -> None:
    vault = Vault(keyring, store)
    for index in range(1050):
        vault.set(f"K{index:05}", "v", actor="alice")
    assert [each.name for each in vault.list(actor="alice")] == [f"K{index:05}" for index in range(1050)]
    assert vault.census(actor="alice").formats == {"sealed": 1050}
    assert vault.verify_audit(actor="alice").streams == 1


# Names and arguments.

HOSTILE = ["", "a b", "a\nb", "a\0b", "a:b", "\u00e9", "../\u202e", "x" * 129, "x" * 5000, "'; DROP TABLE secrets; --"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_beyond_the_rules_is_refused_without_being_repeated(vault: Vault, name: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: vault.set(name, VALUE, actor="alice"),
        lambda: vault.set("ok", VALUE, actor="alice", namespace=name),
        lambda: vault.get(name, actor="alice"),
        lambda: vault.rotate(name, VALUE, actor="alice"),
        lambda: vault.delete(name, actor="alice"),
        lambda: vault.propose("set", name, VALUE, actor="alice"),
    ]
    for call in calls:
        with pytest.raises(NameInvalidError) as caught:
            call()
        assert not name or name not in str(caught.value)
        assert caught.value.operation is not None
    assert vault.list(actor="alice") == []
    assert all(event.name is None for event in vault.audit(actor="alice", limit=100))


def test_the_longest_name_is_taken(vault: Vault) -> None:
    name = "A-z_0.9/" * 16
    vault.set(name, VALUE, actor="alice", namespace=name)
    assert vault.get(name, actor="alice", namespace=name).reveal() == VALUE


@pytest.mark.parametrize("actor", ["", "x" * 257, "a\nb", "a\0", "\x7f", Actor("alice", platform=""), Actor("")])
def test_an_actor_beyond_the_rules_is_refused(vault: Vault, actor: str | Actor) -> None:
    with pytest.raises(NameInvalidError):
        vault.set("A", VALUE, actor=actor)


@pytest.mark.parametrize("actor", [None, 5, {"id": "alice"}, b"alice", Actor(5)])  # type: ignore[arg-type]
def test_what_is_no_actor_is_refused(vault: Vault, actor: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        vault.set("A", VALUE, actor=actor)


@pytest.mark.parametrize("wrong", [5, 1.5, ["x"], {"x": "y"}])
def test_a_value_or_name_of_another_type_is_refused_without_being_repeated(vault: Vault, wrong: Any) -> None:
    with pytest.raises(TypeError, match="str"):
        vault.set("A", wrong, actor="alice")
    for call in (lambda: vault.get(wrong, actor="alice"), lambda: vault.set(wrong, VALUE, actor="alice")):
        if wrong is not None:
            with pytest.raises(InvalidArgumentError, match="must be text"):
                call()
    assert vault.list(actor="alice") == []


@pytest.mark.parametrize(
    "options",
    [
        {"confirm": ["nonsense"]},
        {"confirm": "set"},
        {"actors": "alice"},
        {"actors": [5]},
        {"vault_id": "zz"},
        {"vault_id": "0" * 31},
        {"value_max": 0},
        {"value_max": -1},
        {"value_max": 2**40},
        {"value_max": "many"},
        {"proposal_millis": 0},
        {"proposal_millis": 1.5},
    ],
)
def test_options_out_of_range_are_refused(open_vault: Opens, keyring: Keyring, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError):
        open_vault(keyring, MemoryStore(), **options)


@pytest.mark.parametrize("store", [object(), None, "vault.db", {}])
def test_a_store_without_the_four_callbacks_is_refused(keyring: Keyring, store: Any) -> None:
    for kind in (Vault, aio.Vault):
        with pytest.raises(InvalidArgumentError, match="no method `load`"):
            kind(keyring, store)


# Who may.


def test_who_is_not_among_the_actors_is_denied_and_the_denial_is_recorded(
    open_vault: Opens, keyring: Keyring, store: Store
) -> None:
    vault = open_vault(keyring, store, actors=["alice"])
    vault.set("A", VALUE, actor="alice")
    proposed = vault.propose("delete", "A", actor="alice")
    calls: dict[str, Callable[[], object]] = {
        "set": lambda: vault.set("A", "other", actor="mallory"),
        "get": lambda: vault.get("A", actor="mallory"),
        "exists": lambda: vault.exists("A", actor="mallory"),
        "list": lambda: vault.list(actor="mallory"),
        "rotate": lambda: vault.rotate("A", "other", actor="mallory"),
        "delete": lambda: vault.delete("A", actor="mallory"),
        "audit": lambda: vault.audit(actor="mallory"),
        "verify_audit": lambda: vault.verify_audit(actor="mallory"),
        "propose": lambda: vault.propose("delete", "A", actor="mallory"),
        "confirm": lambda: vault.confirm(proposed.id, actor="mallory"),
        "cancel": lambda: vault.cancel(proposed.id, actor="mallory"),
        "census": lambda: vault.census(actor="mallory"),
        "adopt": lambda: vault.adopt(actor="mallory"),
    }
    for operation, call in calls.items():
        with pytest.raises(PermissionDeniedError) as caught:
            call()
        assert caught.value.operation == operation
    denied = [event for event in vault.audit(actor="alice", limit=100) if event.actor == "mallory"]
    assert [event.outcome for event in denied] == ["denied"] * len(calls)
    assert [event.code for event in denied] == ["PERMISSION_DENIED"] * len(calls)
    assert vault.get("A", actor="alice").reveal() == VALUE
    assert vault.confirm(proposed.id, actor="alice").repeated is False


def test_a_session_ends_at_its_instant(vault: Vault) -> None:
    now = datetime.now(timezone.utc)
    vault.set("A", VALUE, actor=Actor("alice", session_expires_at=now + timedelta(minutes=1)))
    elsewhere = timezone(timedelta(hours=5, minutes=45))
    for ended in (now, now - timedelta(days=9999), (now - timedelta(seconds=1)).astimezone(elsewhere)):
        with pytest.raises(SessionExpiredError, match="sign in again"):
            vault.get("A", actor=Actor("alice", session_expires_at=ended))
    assert vault.list(actor="bob")[0].accessed_count == 0


def test_a_naive_datetime_is_refused(vault: Vault) -> None:
    with pytest.raises(InvalidArgumentError, match="time zone"):
        vault.list(actor=Actor("alice", session_expires_at=datetime(2030, 1, 1)))


# Confirmation.


def test_a_proposal_is_shown_masked_and_confirmed_once(vault: Vault) -> None:
    vault.set("A", "one", actor="alice")
    proposed = vault.propose("rotate", "A", VALUE, actor="alice")
    assert (proposed.change, proposed.name, proposed.masked, proposed.exists) == ("rotate", "A", "sk_t****", True)
    assert len(f"secret confirm {proposed.id}") <= 64
    assert timedelta(minutes=4) < proposed.expires_at - datetime.now(timezone.utc) <= timedelta(minutes=5)
    assert vault.get("A", actor="alice").reveal() == "one"
    first = vault.confirm(proposed.id, actor="alice")
    again = vault.confirm(proposed.id, actor="alice")
    assert (first.change, first.written.version, first.repeated) == ("rotate", 2, False)
    assert (again.change, again.written, again.repeated) == ("rotate", first.written, True)
    assert vault.get("A", actor="alice").details.version == 2  # type: ignore[union-attr]


def test_each_change_can_be_proposed(vault: Vault) -> None:
    created = vault.confirm(vault.propose("set", "A", VALUE, actor="alice").id, actor="alice")
    assert (created.written.created, created.written.version) == (True, 1)
    deletion = vault.propose("delete", "A", actor="alice")
    assert (deletion.masked, deletion.exists) == (None, True)
    assert vault.confirm(deletion.id, actor="alice").written.version is None
    assert vault.list(actor="alice") == []
    assert vault.confirm(deletion.id, actor="alice").repeated is True


def test_a_proposal_survives_a_restart(open_vault: Opens, keyring: Keyring, tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "vault.db") as store:
        proposed = open_vault(keyring, store).propose("set", "A", VALUE, actor="alice")
    with SQLiteStore(tmp_path / "vault.db") as store:
        open_vault(keyring, store).confirm(proposed.id, actor="alice")
        assert open_vault(keyring, store).get("A", actor="alice").reveal() == VALUE


def test_only_the_one_who_proposed_confirms_or_cancels_on_the_same_platform(vault: Vault) -> None:
    proposed = vault.propose("set", "A", VALUE, actor=Actor("alice", platform="telegram"))
    for other in ("alice", "bob", Actor("alice", platform="web"), Actor("bob", platform="telegram")):
        for call in (vault.confirm, vault.cancel):
            with pytest.raises(ConfirmationMismatchError):
                call(proposed.id, actor=other)
    vault.confirm(proposed.id, actor=Actor("alice", platform="telegram"))


def test_a_proposal_expires(open_vault: Opens, keyring: Keyring, store: Store) -> None:
    vault = open_vault(keyring, store, proposal_millis=30)
    proposed = vault.propose("set", "A", VALUE, actor="alice")
    time.sleep(0.06)
    with pytest.raises(ConfirmationExpiredError):
        vault.confirm(proposed.id, actor="alice")
    assert vault.list(actor="alice") == []


@pytest.mark.parametrize("how", ["set", "rotate", "delete", "delete and set"])
def test_a_secret_that_has_changed_since_is_left_alone(vault: Vault, how: str) -> None:
    vault.set("A", "one", actor="alice")
    proposed = vault.propose("rotate", "A", VALUE, actor="alice")
    if "delete" in how:
        vault.delete("A", actor="bob")
    if "set" in how or how == "rotate":
        vault.set("A", "two", actor="bob")
    with pytest.raises(ChangedSinceProposedError) as caught:
        vault.confirm(proposed.id, actor="alice")
    assert caught.value.operation == "confirm"


def test_a_read_in_between_is_no_change(vault: Vault) -> None:
    vault.set("A", "one", actor="alice")
    proposed = vault.propose("rotate", "A", VALUE, actor="alice")
    vault.get("A", actor="bob")
    assert vault.confirm(proposed.id, actor="alice").written.version == 2


def test_a_cancelled_proposal_is_gone(vault: Vault) -> None:
    proposed = vault.propose("set", "A", VALUE, actor="alice")
    vault.cancel(proposed.id, actor="alice")
    vault.cancel(proposed.id, actor="alice")
    with pytest.raises(ConfirmationNotFoundError, match="cancelled"):
        vault.confirm(proposed.id, actor="alice")
    confirmed = vault.propose("set", "A", VALUE, actor="alice")
    vault.confirm(confirmed.id, actor="alice")
    with pytest.raises(ConfirmationNotFoundError, match="confirmed already"):
        vault.cancel(confirmed.id, actor="alice")


@pytest.mark.parametrize("proposal", ["", "nope", "A" * 22, "A" * 5000, "\0", "../..", "%", "\U0001f511"])
def test_an_id_of_no_proposal_is_not_found(vault: Vault, proposal: str) -> None:
    for call in (vault.confirm, vault.cancel):
        with pytest.raises(ConfirmationNotFoundError):
            call(proposal, actor="alice")


@pytest.mark.parametrize(("change", "value"), [("set", None), ("rotate", None), ("delete", VALUE), ("nonsense", VALUE)])
def test_a_proposal_takes_a_value_where_its_change_does(vault: Vault, change: Any, value: str | None) -> None:
    vault.set("A", "one", actor="alice")
    with pytest.raises(InvalidArgumentError):
        vault.propose(change, "A", value, actor="alice")


# History.


def test_every_operation_is_in_the_history(vault: Vault) -> None:
    vault.set("A", VALUE, actor=Actor("alice", platform="telegram"))
    vault.get("A", actor="bob")
    vault.rotate("A", "two", actor="alice")
    with pytest.raises(SecretNotFoundError):
        vault.get("MISSING", actor="carol")
    vault.list(actor="alice")
    vault.exists("A", actor="alice")
    vault.census(actor="alice")
    vault.cancel(vault.propose("delete", "A", actor="alice").id, actor="alice")
    vault.confirm(vault.propose("delete", "A", actor="alice").id, actor="alice")
    report = vault.verify_audit(actor="alice")
    events = vault.audit(actor="alice", limit=100)
    assert actions(reversed(events)) == [
        ("init", "success"),
        ("set", "success"),
        ("get", "success"),
        ("rotate", "success"),
        ("get", "error"),
        ("list", "success"),
        ("census", "success"),
        ("propose", "success"),
        ("cancel", "success"),
        ("propose", "success"),
        ("delete", "success"),
        ("verify_audit", "success"),
    ]
    assert (report.events, report.streams, report.unchained) == (11, 2, 0)
    missing = events[7]
    assert isinstance(missing, AuditEvent)
    # A name that no secret ever had may be a value in the wrong place: it is not written down.
    assert (missing.name, missing.actor, missing.code) == (None, "carol", "SECRET_NOT_FOUND")
    assert (missing.success, missing.stream, missing.secret_uid) == (False, "vault", None)
    created = events[-2]
    assert (created.platform, created.namespace, created.reason) == ("telegram", "default", "manual")
    assert all(is_now(event.at) for event in events)
    assert [event.reason for event in events if event.action == "rotate"] == ["rotation"]


def test_the_history_of_one_secret_is_its_own_and_as_long_as_asked_for(vault: Vault) -> None:
    for name in ("A", "B", "A", "B", "A"):
        vault.set(name, VALUE, actor="alice")
    assert [event.name for event in vault.audit("A", actor="alice")] == ["A"] * 3
    assert [event.action for event in vault.audit("A", actor="alice", limit=1)] == ["audit"]
    assert vault.audit("A", actor="alice", namespace="nexus") == []
    assert len(vault.audit(actor="alice", limit=3)) == 3


@pytest.mark.parametrize("limit", [0, 1001, -1, "x", 1.5])
def test_a_limit_out_of_range_is_refused(vault: Vault, limit: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        vault.audit(actor="alice", limit=limit)


# Keys.


def test_the_census_counts_by_key_and_by_format(open_vault: Opens, store: Store) -> None:
    old, new = Keyring.generate(), Keyring.generate()
    vault = open_vault(old, store)
    vault.set("A", "one", actor="alice")
    vault.set("A", "two", actor="alice")
    both = open_vault(Keyring.parse(f"{new.dangerous_export()},{old.dangerous_export()}"), store)
    vault.propose("set", "B", "x", actor="alice")

    def by_key() -> dict[str, tuple[int, int, int, int]]:
        census = both.census(actor="alice")
        assert (census.formats, census.unreadable) == ({"sealed": 3}, 0)
        return {key: (c.values, c.versions, c.proposals, c.root) for key, c in census.keys.items()}

    assert by_key() == {old.keys[0].id: (1, 1, 1, 1)}
    both.rekey(actor="alice")
    assert by_key() == {new.keys[0].id: (1, 1, 1, 1)}


def test_another_keyring_opens_nothing_and_changes_nothing(open_vault: Opens, vault: Vault, store: Store) -> None:
    vault.set("A", VALUE, actor="alice")
    stranger = open_vault(Keyring.generate(), store)
    for call in (
        lambda: stranger.get("A", actor="alice"),
        lambda: stranger.set("A", "x", actor="alice"),
        lambda: stranger.list(actor="alice"),
        lambda: stranger.verify_audit(actor="alice"),
    ):
        with pytest.raises(KeyUnknownError):
            call()
    assert vault.get("A", actor="alice").reveal() == VALUE
    vault.verify_audit(actor="alice")


def test_a_pinned_vault_is_not_taken_for_another_nor_made_anew(
    open_vault: Opens, keyring: Keyring, store: Store
) -> None:
    pinned = open_vault(keyring, store, vault_id="ab" * 16)
    with pytest.raises(VaultHeadMissingError):
        pinned.set("A", VALUE, actor="alice")
    open_vault(keyring, store).set("A", VALUE, actor="alice")
    with pytest.raises(VaultHeadMissingError, match="another vault"):
        pinned.get("A", actor="alice")
    own = open_vault(keyring, store).verify_audit(actor="alice").vault_id
    assert open_vault(keyring, store, vault_id=own).get("A", actor="alice").reveal() == VALUE


# Chat commands.


def test_commands_are_answered_in_words_with_values_masked(vault: Vault) -> None:
    stored = vault.command(f"secret set A {VALUE}", actor="alice")
    assert (stored.text, stored.carried_value, stored.code, stored.buttons) == ("A is stored.", True, None, [])
    assert vault.command("secret get A", actor="alice").text == "A: sk_t****"
    assert "accessed 1x, created by alice" in vault.command("secret list", actor="alice").text
    assert "is rotated (version 2)" in vault.command("secret rotate A two words  kept ", actor="alice").text
    assert vault.get("A", actor="alice").reveal() == "two words  kept "
    assert "ROTATE alice ok" in vault.command("secret audit A", actor="alice").text
    assert "is deleted" in vault.command("secret delete A", actor="alice").text
    missing = vault.command("secret get A", actor="alice")
    assert (missing.code, missing.carried_value) == ("SECRET_NOT_FOUND", False)


def test_a_command_that_is_not_understood_is_answered_and_taken_for_one_that_carried_a_value(vault: Vault) -> None:
    reply = vault.command(f"sceret set A {VALUE}", actor="alice")
    assert (reply.code, reply.carried_value) == ("COMMAND_INVALID", True)
    assert VALUE not in reply.text


def test_changes_are_proposed_first_where_the_vault_says_so(open_vault: Opens, keyring: Keyring, store: Store) -> None:
    vault = open_vault(keyring, store, confirm=["set", "rotate", "delete"])
    reply = vault.command(f"secret set A {VALUE}", actor="alice")
    assert [button.label for button in reply.buttons] == ["Confirm", "Cancel"]
    assert all(len(button.command.encode()) <= 64 for button in reply.buttons)
    assert VALUE[4:] not in reply.text
    assert vault.list(actor="alice") == []
    assert "is stored" in vault.command(reply.buttons[0].command, actor="alice").text
    cancelled = vault.command("secret delete A", actor="alice").buttons[1]
    assert vault.command(cancelled.command, actor="alice").text.startswith("Cancelled")
    assert vault.get("A", actor="alice").reveal() == VALUE
    assert vault.set("B", VALUE, actor="alice").created  # Code decides for itself.


# Errors.


class Broken:
    """A store whose callbacks raise."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def load(self, keys: Any, /) -> Any:
        raise self._error

    def list(self, query: Any, cursor: Any, /) -> Any:
        raise self._error

    def commit(self, change_set: Any, /) -> Any:
        raise self._error

    def events(self, query: Any, cursor: Any, /) -> Any:
        raise self._error


@pytest.mark.parametrize("error", [OSError("disk on fire"), RuntimeError(), StopIteration("x"), GeneratorExit])
def test_the_store_s_own_exception_is_the_cause(keyring: Keyring, error: Any) -> None:
    vault = Vault(keyring, Broken(error))
    if error is GeneratorExit:  # Not an `Exception`: the interpreter's own business.
        with pytest.raises(GeneratorExit):
            vault.get("A", actor="alice")
        return
    with pytest.raises(StorageFailedError, match="Failed to load secrets") as caught:
        vault.get("A", actor="alice")
    assert caught.value.__cause__ is error
    assert caught.value.operation == "get"
    assert str(error) not in str(caught.value) or not str(error)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_goes_through_and_ends_the_session(
    keyring: Keyring, interrupt: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Vault(keyring, Broken(interrupt()))
    sessions: list[_native.Session] = []

    class Spy:
        def begin(self, operation: str, value: _native.Secret | None) -> _native.Session:
            sessions.append(handle.begin(operation, value))
            return sessions[-1]

    handle = vault._handle
    monkeypatch.setattr(vault, "_handle", Spy())
    with pytest.raises(interrupt) as caught:
        vault.set("A", VALUE, actor="alice")
    # While the exception and its frames are alive: ended, not merely left to the collector.
    with pytest.raises(_native.NativeError) as ended:
        sessions[0].step(0, None)
    assert ended.value.args[0] == "FLOW_DONE"
    assert caught.value.__cause__ is None


RETRYABLE = {"CONFLICT", "STORAGE_FAILED", "ROTATION_FAILED", "ENTROPY_FAILED"}


def test_each_code_has_a_class_that_carries_its_facts() -> None:
    exported = [each for _, each in inspect.getmembers(errors, inspect.isclass)]
    classes = [each for each in exported if issubclass(each, StrongroomError) and each is not StrongroomError]
    assert set(errors.BY_CODE.values()) == set(classes)
    assert [errors.BY_CODE[each.code] for each in classes] == classes
    assert sorted(each.number for each in classes) == list(range(1, 39))
    assert {each.code for each in classes if each.retryable} == RETRYABLE
    for each in classes:
        error = each("words", operation="get")
        assert isinstance(error, StrongroomError)
        assert isinstance(error, Exception)
        assert (str(error), error.operation, each("x").operation) == ("words", "get", None)
        assert each.__doc__
        assert each.__name__ in errors.__all__


def test_the_error_page_and_the_classes_agree() -> None:
    page = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
    for code, each in errors.BY_CODE.items():
        assert code in page
        assert f"{each.number:03}" in page


# Threads.


def test_eight_threads_lose_no_access_and_break_no_chain(keyring: Keyring, store: Store) -> None:
    vault = Vault(keyring, store)
    names = [f"K{index}" for index in range(5)]
    for name in names:
        vault.set(name, "start", actor="main")
    gets = [[0] * len(names) for _ in range(8)]

    def work(thread: int) -> None:
        for step in range(200):
            index = (thread + step) % len(names)
            if step % 10 == 9:
                vault.rotate(names[index], f"value {thread} {step}", actor=f"t{thread}")
            else:
                assert vault.get(names[index], actor=f"t{thread}").reveal()
                gets[thread][index] += 1

    in_threads(8, work)
    expected = [sum(thread[index] for thread in gets) for index in range(len(names))]
    listed = vault.list(actor="main")
    assert [each.accessed_count for each in listed] == expected
    assert sum(each.version for each in listed) == 5 + 8 * 20
    # init, five sets, 1600 operations, the list.
    assert vault.verify_audit(actor="main").events == 1 + 5 + 1600 + 1


def test_an_altered_record_is_refused(vault: Vault, store: Store) -> None:
    vault.set("A", VALUE, actor="alice")
    [record] = store.load([{"kind": "secret", "namespace": "default", "name": "A"}])
    put = {"record": {**record, "revision": 2}, "expected": {"revision": 1}}
    parts: dict[str, list[Any]] = {"puts": [put], "deletes": [], "checks": [], "counters": [], "events": []}
    assert store.commit({"operation_id": "00" * 16, **parts}) == "committed"
    with pytest.raises(RecordTamperedError):
        vault.get("A", actor="alice")
