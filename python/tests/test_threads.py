"""Threads that share everything there is to share: right answers, exact counts, no deadlock."""

from __future__ import annotations

import contextlib
import faulthandler
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from typing import get_args

import pytest

from strongroom import Format, Keyring, Secret, StrongroomError, Vault, _native
from strongroom.errors import InvalidArgumentError
from strongroom.fernet import Fernet, MultiFernet
from strongroom.stores import SQLiteStore, Store

THREADS = 8
SHARED = [f"SHARED_{index}" for index in range(5)]
GUARD = 300
"""In seconds. Threads that take so long wait for each other: where they stand is told, and the process ends."""


@pytest.fixture(autouse=True)
def _no_deadlock() -> Iterator[None]:
    faulthandler.dump_traceback_later(GUARD, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def in_threads(work: Callable[[int], object]) -> None:
    """Does something in eight threads that begin at once; raises what any of them raised."""
    barrier = threading.Barrier(THREADS)

    def begin(index: int) -> None:
        barrier.wait(GUARD)
        work(index)

    with ThreadPoolExecutor(THREADS) as pool:
        for each in [pool.submit(begin, index) for index in range(THREADS)]:
            each.result()


class Done:
    """What one thread did."""

    def __init__(self) -> None:
        self.gets = dict.fromkeys(SHARED, 0)
        self.versions: dict[str, list[int | None]] = {name: [] for name in SHARED}
        self.events = 0


def works(vault: Vault, index: int, done: Done, operations: int) -> None:
    """As a busy service does: on secrets that all have, and on one that only this thread has."""
    choose, actor, own = Random(index), f"thread{index}", f"OWN_{index}"  # noqa: S311
    vault.set(own, f"{own}=0", actor=actor)
    done.events += 1
    for number in range(1, operations + 1):
        name = choose.choice(SHARED)
        what = choose.choices(["get", "rotate", "set", "own", "propose"], [6, 2, 1, 2, 1])[0]
        if what == "get":
            assert vault.get(name, actor=actor).reveal().startswith(f"{name}=")
            done.gets[name] += 1
            done.events += 1
        elif what == "own":
            vault.rotate(own, f"{own}={number}", actor=actor)
            assert vault.get(own, actor=actor).reveal() == f"{own}={number}"
            done.events += 2
        elif what == "propose":
            vault.cancel(vault.propose("rotate", name, "never", actor=actor).id, actor=actor)
            done.events += 2
        else:
            change = vault.rotate if what == "rotate" else vault.set
            done.versions[name].append(change(name, f"{name}={actor} {number}", actor=actor).version)
            done.events += 1


def test_one_vault_and_one_store_serve_eight_threads(vault: Vault, store: Store) -> None:
    operations = 80
    for name in SHARED:
        vault.set(name, f"{name}=first", actor="main")
    done = [Done() for _ in range(THREADS)]
    in_threads(lambda index: works(vault, index, done[index], operations))

    listed = {each.name: each for each in vault.list(actor="main")}
    assert set(listed) == {*SHARED, *(f"OWN_{index}" for index in range(THREADS))}
    for name in SHARED:
        assert listed[name].accessed_count == sum(each.gets[name] for each in done)
        versions = sorted(version for each in done for version in each.versions[name] if version is not None)
        # Each write made a version of its own, and none was lost.
        assert versions == list(range(2, len(versions) + 2))
        assert listed[name].version == len(versions) + 1
    # The beginning, the five creations, and the list above.
    assert vault.verify_audit(actor="main").events == sum(each.events for each in done) + 1 + len(SHARED) + 1
    if isinstance(store, SQLiteStore):
        assert store._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_of_threads_that_do_the_same_at_once_one_does_it(vault: Vault) -> None:
    created, confirmed, deleted = [], [], []
    in_threads(lambda index: created.append(vault.set("NEW", f"value {index}", actor="alice")))
    assert sorted(each.version or 0 for each in created) == list(range(1, THREADS + 1))
    assert sum(each.created for each in created) == 1
    proposal = vault.propose("rotate", "NEW", "proposed", actor="alice").id
    in_threads(lambda index: confirmed.append(vault.confirm(proposal, actor="alice")))
    assert sum(not each.repeated for each in confirmed) == 1
    assert {each.written.version for each in confirmed} == {THREADS + 1}

    def delete(index: int) -> None:
        try:
            vault.delete("NEW", actor="alice")
            deleted.append("deleted")
        except StrongroomError as error:
            deleted.append(error.code)

    in_threads(delete)
    assert sorted(deleted) == ["SECRET_NOT_FOUND"] * (THREADS - 1) + ["deleted"]
    vault.verify_audit(actor="alice")


def test_an_empty_store_that_threads_meet_at_once_becomes_one_vault(vault: Vault) -> None:
    in_threads(lambda index: vault.set(f"OWN_{index}", str(index), actor="alice"))
    assert [vault.get(f"OWN_{index}", actor="alice").reveal() for index in range(THREADS)] == list("01234567")
    # The beginning, eight creations, eight reads.
    assert vault.verify_audit(actor="alice").events == 17


@pytest.mark.parametrize("name", get_args(Format))
def test_one_keyring_works_for_all_threads_on_short_and_long_values_at_once(name: Format) -> None:
    keyring = Keyring.parse(f"{secrets.token_hex(32)},{secrets.token_hex(32)}")

    def work(index: int) -> None:
        # Beyond 64 KiB other threads run meanwhile: the long ones overlap with everything.
        length, rounds = (32, 400) if index % 2 else (1 << 20, 2)
        for number in range(rounds):
            value = index.to_bytes(4, "big") + number.to_bytes(4, "big") + secrets.token_bytes(length - 8)
            bound = f"row {index}" if name == "sealed" else None
            token = keyring.encrypt(value, format=name, associated_data=bound)
            assert keyring.decrypt(token, associated_data=bound) == value
            assert keyring.inspect_token(token, associated_data=bound) == (name, keyring.keys[0].id)

    in_threads(work)


@pytest.mark.parametrize("what", ["encrypt", "decrypt"])
def test_long_values_are_worked_on_without_python_s_lock(what: str) -> None:
    """Another thread goes on between the beginning and the end of one call.

    Threads here give the lock away when they sleep or wait, and not because their turn is over: a call that kept it
    would see no other thread move.
    """
    keyring = Keyring.generate()
    value = bytes(1 << 25)
    token = keyring.encrypt(value)
    moved, seen = 0, list[int]()

    def works_long() -> None:
        before = moved
        if what == "encrypt":
            keyring.encrypt(value)
        else:
            keyring.decrypt(token)
        seen.append(moved - before)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(GUARD)
    try:
        thread = threading.Thread(target=works_long)
        thread.start()
        while not seen:
            moved += 1
            time.sleep(0)
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert seen[0] > 0


def test_one_fernet_works_for_all_threads() -> None:
    keys = [Fernet.generate_key() for _ in range(5)]
    fernet, several = Fernet(keys[-1]), MultiFernet([Fernet(key) for key in keys])

    def work(index: int) -> None:
        for number in range(100):
            length = 1 << 20 if index == 0 and number % 50 == 0 else 32
            value = index.to_bytes(4, "big") + number.to_bytes(4, "big") + secrets.token_bytes(length)
            token = fernet.encrypt(value)
            assert fernet.decrypt(token) == several.decrypt(token) == value
            assert several.decrypt(several.rotate(token)) == value

    in_threads(work)


@pytest.mark.parametrize("length", [16, 1 << 16])
def test_a_secret_that_is_wiped_while_others_reveal_it_is_whole_or_refused(length: int) -> None:
    def reveals(secret: Secret, value: str, index: int) -> None:
        if index == 0:
            secret.wipe()
            return
        for _ in range(20):
            with contextlib.suppress(InvalidArgumentError):
                assert secret.reveal() == value
            with contextlib.suppress(InvalidArgumentError):
                assert secret == Secret(value)
            assert repr(secret) in (f"Secret('{value[:4]}****')", "Secret('wiped')")

    for number in range(40):
        value = f"{number:04}" * (length // 4)
        secret = Secret(value)
        in_threads(partial(reveals, secret, value))
        with pytest.raises(InvalidArgumentError, match="wiped"):
            secret.reveal()


def test_a_secret_that_is_wiped_while_others_write_it_is_written_whole_or_not_at_all(vault: Vault) -> None:
    written: list[str] = []

    def writes(secret: Secret, number: int, index: int) -> None:
        if index == 0:
            secret.wipe()
            return
        with contextlib.suppress(InvalidArgumentError):
            vault.set(f"WIPED_{number}_{index}", secret, actor="alice")
            written.append(f"WIPED_{number}_{index}")

    for number in range(10):
        secret = Secret(f"{number:04}" * 1000)
        in_threads(partial(writes, secret, number))
    assert sorted(written) == sorted(each.name for each in vault.list(actor="alice"))
    for name in written:
        number = int(name.split("_")[1])
        assert vault.get(name, actor="alice").reveal() == f"{number:04}" * 1000
    vault.verify_audit(actor="alice")


def test_a_session_that_two_threads_drive_takes_each_reply_once(keyring: Keyring, store: Store) -> None:
    """The native part's own promise: of threads that answer one request at once, one is heard."""
    vault = Vault(keyring, store)
    vault.set("A", "value", actor="alice")
    reply = '{"number": 1, "answer": {"failed": {"applied": "unknown"}}}'

    def answers(session: _native.Session, heard: list[str], refused: list[str], index: int) -> None:
        try:
            heard.append(session.step(0, reply)[0])
        except _native.NativeError as error:
            refused.append(error.args[0])

    for _ in range(20):
        session = vault._handle.begin('{"op": "get", "name": "A", "actor": {"id": "alice"}}', None)
        session.step(0, None)
        heard, refused = list[str](), list[str]()
        in_threads(partial(answers, session, heard, refused))
        assert len(heard) == 1
        assert "STORAGE_FAILED" in heard[0]
        assert refused == ["FLOW_DONE"] * (THREADS - 1)
