"""strongroom for Python against `cryptography`: prints the raw rounds as JSON.

Run by `scripts/bench.sh`, which builds the package for release and puts it before any other on PYTHONPATH.
"""

from __future__ import annotations

import base64
import json
import os
import platform
import sqlite3
import tempfile
from functools import partial
from importlib.metadata import version
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING

from cryptography import fernet as theirs
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from rounds import Comparison, Contest, Side, distinct, over, run
from strongroom import Keyring, Vault, _native
from strongroom import fernet as ours
from strongroom.stores import SQLiteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# Value size, calls of a turn, then how much faster than cryptography's Fernet: Keyring, strongroom.fernet.
SIZES = {
    "32 B": (32, 10_000, 8.0, 4.0),
    "1 KiB": (1024, 7_000, 6.0, 3.0),
    "1 MiB": (2**20, 16, 4.0, 1.5),
}
KEYS = 20
MULTI_CALLS, MULTI_TARGET = 1_500, 8.0
VAULT_CALLS = 30

KEYRING, BOUND, RAW = "Keyring", "Keyring, associated data", "AESGCM, raw bytes"
FERNET, PEER = "strongroom.fernet.Fernet", "cryptography Fernet"
MULTI, MULTI_PEER = "strongroom.fernet.MultiFernet", "cryptography MultiFernet"
VAULT, TABLE = "Vault on SQLite", "cryptography Fernet in a SQLite table"


def main() -> None:
    made = Path(os.environ["STRONGROOM_BENCH_PACKAGE"])
    if not Path(_native.__file__).is_relative_to(made):
        raise SystemExit(f"not the release build of the benchmark: {_native.__file__}")
    versions = {
        platform.python_implementation(): platform.python_version(),
        "cryptography": version("cryptography"),
        "SQLite": sqlite3.sqlite_version,
    }
    results = [run(each) for each in contests()]
    print(json.dumps({"language": "Python", "versions": versions, "load": os.getloadavg()[1], "contests": results}))


def contests() -> Iterator[Contest]:
    """Every contest, its inputs made when it is its turn."""
    for size, (length, calls, keyring_target, fernet_target) in SIZES.items():
        comparisons = [
            Comparison(KEYRING, PEER, keyring_target),
            Comparison(BOUND, PEER, keyring_target),
            Comparison(FERNET, PEER, fernet_target),
            Comparison(KEYRING, RAW),
        ]
        values = distinct([os.urandom(length) for _ in range(calls)])
        keyring, key = Keyring.generate(), theirs.Fernet.generate_key()
        raw, our_fernet, their_fernet = AESGCM(os.urandom(32)), ours.Fernet(key), theirs.Fernet(key)
        rows = [b"user:%d" % row for row in range(calls)]
        sides = [
            over(PEER, their_fernet.encrypt, values),
            over(FERNET, our_fernet.encrypt, values),
            over(KEYRING, keyring.encrypt, values),
            bound(keyring.encrypt, list(zip(values, rows, strict=True))),
            Side(RAW, calls, partial(encrypt_raw, raw, values)),
        ]
        yield Contest("encrypt", size, sides, comparisons)
        tokens = [their_fernet.encrypt(value) for value in values]
        must_be(
            values, [their_fernet.decrypt(token) for token in tokens], [our_fernet.decrypt(token) for token in tokens]
        )
        sealed = [keyring.encrypt(value) for value in values]
        pairs = [(keyring.encrypt(value, associated_data=row), row) for value, row in zip(values, rows, strict=True)]
        must_be(
            values,
            [keyring.decrypt(token) for token in sealed],
            [keyring.decrypt(token, associated_data=row) for token, row in pairs],
        )
        nonces = [os.urandom(12) for _ in values]
        raw_pairs = [(nonce, raw.encrypt(nonce, value, None)) for nonce, value in zip(nonces, values, strict=True)]
        must_be(values, [raw.decrypt(nonce, ciphertext, None) for nonce, ciphertext in raw_pairs])
        sides = [
            over(PEER, their_fernet.decrypt, tokens),
            over(FERNET, our_fernet.decrypt, tokens),
            over(KEYRING, keyring.decrypt, sealed),
            bound(keyring.decrypt, pairs),
            Side(RAW, calls, partial(decrypt_raw, raw, raw_pairs)),
        ]
        yield Contest("decrypt", size, sides, comparisons)
    yield last_of_many()
    with tempfile.TemporaryDirectory() as folder:
        yield from stored(Path(folder))


def last_of_many() -> Contest:
    """Tokens of the last key, which both sides find by trying them in order."""
    keys = [theirs.Fernet.generate_key() for _ in range(KEYS)]
    values = distinct([os.urandom(32) for _ in range(MULTI_CALLS)])
    tokens = [theirs.Fernet(keys[-1]).encrypt(value) for value in values]
    their_multi = theirs.MultiFernet([theirs.Fernet(key) for key in keys])
    our_multi = ours.MultiFernet([ours.Fernet(key) for key in keys])
    must_be(values, [their_multi.decrypt(token) for token in tokens], [our_multi.decrypt(token) for token in tokens])
    sides = [over(MULTI_PEER, their_multi.decrypt, tokens), over(MULTI, our_multi.decrypt, tokens)]
    return Contest(f"decrypt, last of {KEYS} keys", "32 B", sides, [Comparison(MULTI, MULTI_PEER, MULTI_TARGET)])


def stored(folder: Path) -> Iterator[Contest]:
    """A value into and out of a file: the peer has neither versions nor audit; both write ahead (WAL)."""
    their_fernet = theirs.Fernet(theirs.Fernet.generate_key())
    table = sqlite3.connect(folder / "table.db")
    table.execute("PRAGMA journal_mode = WAL")
    table.execute("CREATE TABLE secrets (id INTEGER PRIMARY KEY, name TEXT UNIQUE, value_encrypted TEXT)")
    values = {f"KEY_{number}": base64.b64encode(os.urandom(24)).decode() for number in range(VAULT_CALLS)}
    names = list(values)

    def insert(name: str) -> None:
        with table:
            table.execute(
                "INSERT INTO secrets (name, value_encrypted) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value_encrypted = excluded.value_encrypted",
                (name, their_fernet.encrypt(values[name].encode()).decode()),
            )

    def select(name: str) -> bytes:
        (token,) = table.execute("SELECT value_encrypted FROM secrets WHERE name = ?", (name,)).fetchone()
        return their_fernet.decrypt(str(token))

    with SQLiteStore(folder / "vault.db") as store:
        vault = Vault(Keyring.generate(), store)
        both = [Comparison(VAULT, TABLE)]
        sides = [
            over(TABLE, insert, names),
            over(VAULT, lambda name: vault.set(name, values[name], actor="alice"), names),
        ]
        yield Contest("set", "32 characters", sides, both, perf_counter_ns)
        sides = [
            over(TABLE, select, names),
            over(VAULT, lambda name: vault.get(name, actor="alice").reveal(), names),
        ]
        yield Contest("get", "32 characters", sides, both, perf_counter_ns)
    table.close()


def bound(call: Callable[..., object], pairs: Sequence[tuple[object, bytes]]) -> Side:
    """A keyring with associated data, which is another one on every call."""

    def turn() -> None:
        for value, row in pairs:
            call(value, associated_data=row)

    return Side(BOUND, len(pairs), turn)


def encrypt_raw(cipher: AESGCM, values: Sequence[bytes]) -> None:
    for value in values:
        cipher.encrypt(os.urandom(12), value, None)


def decrypt_raw(cipher: AESGCM, sealed: Sequence[tuple[bytes, bytes]]) -> None:
    for nonce, ciphertext in sealed:
        cipher.decrypt(nonce, ciphertext, None)


def must_be(values: list[bytes], *found: list[bytes]) -> None:
    """Raises `ValueError` unless all of these are the values: what is wrong may be as fast as it likes."""
    if any(each != values for each in found):
        raise ValueError("a token does not open to its value")


if __name__ == "__main__":
    main()
