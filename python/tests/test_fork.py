"""Processes that were forked: no nonce is used twice, nothing hangs, and keys go nowhere that nobody sent them.

The forks happen in programs of their own (the scenarios, at the end of this file), not in the one that runs the tests.
"""

from __future__ import annotations

import asyncio
import base64
import faulthandler
import json
import multiprocessing
import os
import pickle
import secrets
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from strongroom import Keyring, Secret, Vault, aio
from strongroom.fernet import Fernet, MultiFernet
from strongroom.stores import AsyncSQLAlchemyStore, MemoryStore, SQLAlchemyStore, SQLiteStore

if TYPE_CHECKING:
    from cluster import Cluster

TOKENS = {"sealed": 10_000, "fernet": 2_000, "node_gcm": 2_000}
CHILDREN = 3
NAMES = [f"SHARED_{index}" for index in range(5)]
GUARD = 240
"""In seconds. A process that takes so long hangs: where it stands is told, and it ends."""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def run(scenario: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", __file__, scenario, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=GUARD + 60)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def nonce_of(token: str) -> bytes:
    """What must never repeat under one key (docs/format.md)."""
    if token.startswith("sr1."):
        return base64.urlsafe_b64decode(token[4:] + "=" * (-len(token[4:]) % 4))[32:56]
    if token.startswith("gAAAA"):
        return base64.urlsafe_b64decode(token)[9:25]
    return base64.b64decode(token)[:16]


@pytest.mark.parametrize("when", ["after_the_import", "after_the_keyring", "in_the_middle_of_threads"])
def test_no_nonce_is_used_twice_by_processes_that_were_forked(when: str, tmp_path: Path) -> None:
    keyring = Keyring.generate()
    run(when, keyring.dangerous_export(), str(tmp_path))
    files = sorted(tmp_path.iterdir())
    assert len(files) == CHILDREN + 1
    nonces: Counter[bytes] = Counter()
    for path in files:
        tokens = path.read_text().split()
        assert len(tokens) == sum(TOKENS.values())
        nonces.update(map(nonce_of, tokens))
        for number, token in enumerate(tokens):
            assert keyring.decrypt(token) == f"{path.name} {number}".encode()
    assert {len(nonce) for nonce in nonces} == {24, 16}
    assert [nonce.hex() for nonce, times in nonces.items() if times > 1] == []
    assert nonces.total() == (CHILDREN + 1) * sum(TOKENS.values())


def test_a_nonce_that_is_used_twice_would_be_seen() -> None:
    for format_ in TOKENS:
        token = Keyring.generate().encrypt("a value", format=format_)  # type: ignore[arg-type]
        assert nonce_of(token) == nonce_of(token)
        assert nonce_of(token) != nonce_of(Keyring.generate().encrypt("a value", format=format_))  # type: ignore[arg-type]


def test_vaults_that_children_open_on_one_file_lose_nothing(tmp_path: Path) -> None:
    path, keyring = tmp_path / "vault.db", Keyring.generate()
    with SQLiteStore(path) as store:
        for name in NAMES:
            Vault(keyring, store).set(name, f"{name}=first", actor="main")
    done = [json.loads(line) for line in run("vaults", keyring.dangerous_export(), str(path)).splitlines()]
    assert len(done) == CHILDREN
    with SQLiteStore(path) as store:
        vault = Vault(keyring, store)
        for each in vault.list(actor="main"):
            assert each.version == 1 + sum(one["writes"][each.name] for one in done)
            assert each.accessed_count == sum(one["gets"][each.name] for one in done)
        events = sum(sum(one["writes"].values()) + sum(one["gets"].values()) for one in done)
        assert vault.verify_audit(actor="main").events == 1 + len(NAMES) + events + 1


def test_what_a_child_inherits_works_although_threads_were_using_it(tmp_path: Path) -> None:
    assert run("inherits") == "worked\n" * CHILDREN


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_children_make_connections_of_their_own_to_postgresql(cluster: Cluster, kind: str) -> None:
    schema = f"t_{secrets.token_hex(6)}"
    assert run("on_postgres", kind, cluster.url(), schema) == "worked\n" * (CHILDREN + 1)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing_work_with_keyrings(method: str) -> None:
    assert run("multiprocesses", method) == "worked\n"


def kept() -> dict[str, object]:
    keyring, fernet = Keyring.generate(), Fernet(Fernet.generate_key())
    return {
        "Keyring": keyring,
        "Secret": Secret("sk_test_abc123"),
        "Vault": Vault(keyring, MemoryStore()),
        "aio.Vault": aio.Vault(keyring, MemoryStore()),
        "MemoryStore": MemoryStore(),
        "SQLiteStore": SQLiteStore(":memory:"),
        "Fernet": fernet,
        "MultiFernet": MultiFernet([fernet]),
    }


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", kept())
def test_nothing_that_holds_a_key_or_a_value_is_pickled(name: str, protocol: int) -> None:
    with pytest.raises((TypeError, pickle.PicklingError), match="pickle"):
        pickle.dumps(kept()[name], protocol)


# The scenarios.


def encrypts(keyring: Keyring, folder: str, name: str) -> None:
    formats = [format_ for format_, times in TOKENS.items() for _ in range(times)]
    tokens = [
        keyring.encrypt(f"{name} {number}", format=format_)  # type: ignore[arg-type]
        for number, format_ in enumerate(formats)
    ]
    (Path(folder) / name).write_text("\n".join(tokens))


def guarded() -> None:
    """By a signal: the watchdog thread of faulthandler is not in a child, which would wait for it for ever."""
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.alarm(GUARD)


def forked(work: Callable[[str], None], *, also_here: bool) -> None:
    """Does something in children that are forked, and here; fails when one of them did."""
    children: list[int] = []
    for index in range(CHILDREN):
        child = os.fork()
        if child == 0:
            guarded()
            status = 1
            try:
                work(f"child{index}")
                sys.stdout.flush()
                status = 0
            except BaseException as error:
                sys.excepthook(type(error), error, error.__traceback__)
                sys.stderr.flush()
            finally:
                os._exit(status)
        children.append(child)
    if also_here:
        work("parent")
    failed = [child for child in children if os.waitpid(child, 0)[1] != 0]
    assert failed == []


def after_the_import(key: str, folder: str) -> None:
    forked(lambda name: encrypts(Keyring.parse(key), folder, name), also_here=True)


def after_the_keyring(key: str, folder: str) -> None:
    keyring = Keyring.parse(key)
    keyring.encrypt("used before")
    forked(lambda name: encrypts(keyring, folder, name), also_here=True)


def in_the_middle_of_threads(key: str, folder: str) -> None:
    keyring = Keyring.parse(key)
    with_threads(
        [lambda: keyring.encrypt(bytes(1 << 20)), lambda: keyring.encrypt("short")],
        lambda: forked(lambda name: encrypts(keyring, folder, name), also_here=True),
    )


def with_threads(busy: list[Callable[[], object]], run: Callable[[], None]) -> None:
    """Runs something while threads do things over and over."""
    over, under_way = threading.Event(), threading.Barrier(len(busy) + 1)

    def repeat(call: Callable[[], object]) -> None:
        call()
        under_way.wait(GUARD)
        while not over.is_set():
            call()

    threads = [threading.Thread(target=repeat, args=(call,)) for call in busy]
    for thread in threads:
        thread.start()
    under_way.wait(GUARD)
    try:
        run()
    finally:
        over.set()
        for thread in threads:
            thread.join()


def vaults(key: str, path: str) -> None:
    keyring = Keyring.parse(key)

    def work(actor: str) -> None:
        done = {"gets": dict.fromkeys(NAMES, 0), "writes": dict.fromkeys(NAMES, 0)}
        with SQLiteStore(path) as store:
            vault = Vault(keyring, store)
            for number in range(150):
                name = NAMES[number * 7 % len(NAMES)]
                if number % 3 == 0:
                    vault.rotate(name, f"{name}={actor} {number}", actor=actor)
                    done["writes"][name] += 1
                else:
                    assert vault.get(name, actor=actor).reveal().startswith(f"{name}=")
                    done["gets"][name] += 1
        # In one piece: three processes write to one pipe.
        os.write(1, (json.dumps(done) + "\n").encode())

    forked(work, also_here=False)


def inherits() -> None:
    """Keys, secrets and a vault in memory, which threads are using when the process forks again and again."""
    keyring, secret = Keyring.generate(), Secret("sk_test_abc123")
    fernet = Fernet(Fernet.generate_key())
    vault = Vault(keyring, MemoryStore())
    vault.set("A", "value", actor="alice")

    def use() -> None:
        assert keyring.decrypt(keyring.encrypt("value")) == b"value"
        assert fernet.decrypt(fernet.encrypt(b"value")) == b"value"
        assert secret.reveal() == "sk_test_abc123"
        vault.rotate("A", "value", actor="alice")
        assert vault.get("A", actor="alice").reveal() == "value"

    def work(name: str) -> None:
        for _ in range(20):
            use()
        vault.verify_audit(actor="alice")
        os.write(1, b"worked\n")

    with_threads([use, use, lambda: keyring.encrypt(bytes(1 << 20))], lambda: forked(work, also_here=False))


def on_postgres(kind: str, url: str, schema: str) -> None:
    """A store that has connections when the process forks; a child closes it, and one does nothing before."""

    def key(name: str) -> dict[str, str]:
        return {"kind": "secret", "namespace": "default", "name": name}

    with SQLAlchemyStore(url, schema=schema) as filled:
        vault = Vault(Keyring.generate(), filled)
        for each in ("parent", *(f"child{index}" for index in range(CHILDREN))):
            vault.set(each, "sk_test_abc123", actor="alice")
    if kind == "sync":
        store = SQLAlchemyStore(url, schema=schema)
        store.load([key("A")])

        def backend() -> object:
            with store._engine.connect() as connection:
                return connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()

        before = backend()

        def work(name: str) -> None:
            for _ in range(0 if name == "child0" else 100):
                assert [found["key"] for found in store.load([key(name)])] == [key(name)]
            if name != "parent":
                store.close()
            os.write(1, b"worked\n")

        forked(work, also_here=True)
        # Nobody has closed the connection that was there.
        assert backend() == before
        store.close()
        return
    loop, asynchronous = asyncio.new_event_loop(), AsyncSQLAlchemyStore(url, schema=schema)
    loop.run_until_complete(asynchronous.load([key("A")]))

    def work_async(name: str) -> None:
        async def load() -> None:
            for _ in range(100):
                assert [found["key"] for found in await asynchronous.load([key(name)])] == [key(name)]

        if name == "parent":
            loop.run_until_complete(load())
        else:
            # A loop is not forked either.
            asyncio.run(load())
        os.write(1, b"worked\n")

    forked(work_async, also_here=True)
    loop.run_until_complete(asynchronous.close())
    loop.close()


INHERITED: list[Keyring] = []


def opens(ours: str, token: str, told: Any) -> None:
    """In a process of multiprocessing: with the keyring that was made before the fork, or with one made here."""
    keyring = INHERITED[0] if INHERITED else Keyring.parse(ours)
    told.send((keyring.decrypt(token).decode(), keyring.encrypt("told")))


def takes(keyring: Keyring) -> None:
    raise AssertionError("a keyring came through a pickle")


def multiprocesses(method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    keyring = Keyring.generate()
    if method == "fork":
        INHERITED.append(keyring)
    else:
        with pytest.raises(TypeError, match="pickle"):
            context.Process(target=takes, args=(keyring,)).start()
    ours, theirs = context.Pipe()
    key = "" if method == "fork" else keyring.dangerous_export()
    process = context.Process(target=opens, args=(key, keyring.encrypt("asked"), theirs))
    process.start()
    assert ours.poll(GUARD), "the process did not answer"
    answer, token = ours.recv()
    process.join(GUARD)
    assert (process.exitcode, answer, keyring.decrypt(token)) == (0, "asked", b"told")
    print("worked")


if __name__ == "__main__":
    guarded()
    globals()[sys.argv[1]](*sys.argv[2:])
