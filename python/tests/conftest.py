"""What every test may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("behaviour")

# After it, so that failures of shared tests tell what they compared.
from cluster import cluster as cluster  # noqa: E402
from strongroom import Keyring, Vault  # noqa: E402
from strongroom.stores import MemoryStore, SQLiteStore, Store  # noqa: E402


@pytest.fixture(scope="session")
def keyring() -> Keyring:
    return Keyring.generate()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
    else:
        with SQLiteStore(tmp_path / "vault.db") as store:
            yield store


@pytest.fixture
def vault(keyring: Keyring, store: Store) -> Vault:
    return Vault(keyring, store)
