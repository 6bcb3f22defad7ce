"""A new key in two steps, with processes of two generations side by side on one SQLite file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from strongroom import Keyring

from hosts import process
from hosts.process import Host, program

LANGUAGES = ("python", "node")
OLD = Keyring.generate(label="2026")
STEP_1 = OLD.add_enabled(label="2027")
STEP_2 = STEP_1.make_primary(STEP_1.keys[1].id)
ALICE = {"id": "alice"}


class Process:
    """A process with the vault open, and one keyring at a time."""

    def __init__(self, language: str, path: Path) -> None:
        self._host, self._path = Host(language, program(language)), path

    def open(self, keyring: Keyring) -> Process:
        self._host.ask("open_file", path=str(self._path), key=keyring.dangerous_export(), options={})
        return self

    def reopen(self, keyring: Keyring) -> None:
        self._host.ask("close")
        self.open(keyring)

    def ask(self, what: str, **given: Any) -> Any:
        return self._host.ask(what, **given, actor=ALICE)

    def set(self, name: str, value: str) -> None:
        self.ask("set", name=name, value=value.encode().hex())

    def get(self, name: str) -> str:
        return bytes.fromhex(self.ask("get", name=name)["value"]).decode()

    def refusal(self, what: str, **given: Any) -> str:
        with pytest.raises(process.RefusedError) as refused:
            self.ask(what, **given)
        return refused.value.code

    def end(self) -> None:
        self._host.close()


@pytest.fixture(params=[(a, b) for a in LANGUAGES for b in LANGUAGES], ids="-".join)
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Process, Process]]:
    """Two processes with the old keyring."""
    running = [Process(language, tmp_path / "vault.db").open(OLD) for language in request.param]
    yield running[0], running[1]
    for each in running:
        each.end()


def test_with_both_steps_taken_everywhere_nobody_is_ever_unable_to_read(both: tuple[Process, Process]) -> None:
    one, other = both
    one.set("A", "of one")
    # Step 1, here and then there: the new key reads and does not write yet, so both write and read all along.
    other.reopen(STEP_1)
    other.set("B", "of the other")
    assert (one.get("B"), other.get("A")) == ("of the other", "of one")
    one.set("B", "of one, later")
    one.reopen(STEP_1)
    assert other.get("B") == "of one, later"
    # Step 2: one goes ahead, and is told to make the vault follow.
    one.reopen(STEP_2)
    write = {"name": "C", "value": b"too early".hex()}
    assert one.refusal("set", **write) == "KEYRING_STALE"
    page = one.ask("rekey", limit=1)
    assert page["next"] is not None
    # In the midst of it the other one reads both what was resealed and what was not, and must not write.
    assert [other.get(name) for name in "AB"] == ["of one", "of one, later"]
    assert other.refusal("set", **write) == "KEYRING_STALE"
    while page["next"] is not None:
        page = one.ask("rekey", limit=1, after=page["next"])
    one.set("C", "under the new key")
    assert [other.get(name) for name in "ABC"] == ["of one", "of one, later", "under the new key"]
    assert other.refusal("set", **write) == "KEYRING_STALE"
    assert one.get("C") == "under the new key"
    other.reopen(STEP_2)
    other.set("C", "of the other again")
    assert one.get("C") == "of the other again"
    old = OLD.keys[0].id
    assert one.ask("retire", key_id=old)["state"] == "disabled"
    assert one.ask("retire", key_id=old)["state"] == "destroyed"
    last = STEP_2.advance(old, "disabled").advance(old, "destroyed")
    other.reopen(last)
    assert [other.get(name) for name in "ABC"] == ["of one", "of one, later", "of the other again"]
    other.set("D", "the old key is not missed")
    assert one.get("D") == "the old key is not missed"
    assert one.ask("verify_audit")["events"] > 20


def test_a_process_that_step_1_passed_over_is_shut_out_by_step_2_and_harms_nothing(
    both: tuple[Process, Process],
) -> None:
    behind, ahead = both
    behind.set("A", "of the one behind")
    ahead.reopen(STEP_2)
    assert ahead.ask("rekey", limit=100) == {"examined": 1, "changed": 1, "unreadable": 0, "next": None}
    ahead.set("B", "under the new key")
    # The vault's root is sealed with a key that it never had: without it nothing in the store is believed.
    write = {"name": "A", "value": b"of the one behind, later".hex()}
    for what, given in (("set", write), ("get", {"name": "A"}), ("get", {"name": "B"}), ("list", {})):
        assert behind.refusal(what, **given) == "KEY_UNKNOWN"
    assert [ahead.get(name) for name in "AB"] == ["of the one behind", "under the new key"]
    # Step 1 afterwards gives it back its eyes, and step 2 its hands.
    behind.reopen(STEP_1)
    assert [behind.get(name) for name in "AB"] == ["of the one behind", "under the new key"]
    assert behind.refusal("set", **write) == "KEYRING_STALE"
    assert ahead.get("A") == "of the one behind"
    behind.reopen(STEP_2)
    behind.set("A", "of the one behind, later")
    assert ahead.get("A") == "of the one behind, later"
    assert ahead.ask("verify_audit")["events"] > 0
