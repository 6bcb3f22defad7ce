"""Stores by a text: `sqlite:PATH`, `file:PATH`, `postgresql://...`, or `module:function` for one of your own."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, cast

from strongroom import stores
from strongroom.stores import SQLiteStore, Store

if TYPE_CHECKING:
    from cluster import Cluster


class UnknownStoreError(ValueError):
    """A text that names no store."""


def open_store(spec: str) -> AbstractContextManager[Store]:
    """Opens a store, closed at the end where it can be. Each process opens its own.

    `module:function` is called without arguments. Raises `UnknownStoreError`, and what the store raises.
    """
    scheme, separator, rest = spec.partition(":")
    if not (separator and rest):
        raise UnknownStoreError(_HOW)
    if scheme == "sqlite":
        return closing(SQLiteStore(rest))
    if scheme == "file":
        return _closing(_of_package("FileStore")(rest))
    if rest.startswith("//"):
        return _closing(_of_package("SQLAlchemyStore")(spec))
    made = getattr(importlib.import_module(scheme), rest, None)
    if made is None:
        raise UnknownStoreError(f"the module {scheme} has no {rest}; {_HOW}")
    return _closing(made())


@contextmanager
def served(spec: str) -> Iterator[tuple[str, Cluster | None]]:
    """What to open: for `cluster` it is in a PostgreSQL server of its own, on whose disk is what it says is there."""
    if spec != "cluster":
        yield spec, None
        return
    from cluster import running

    with running(fsync=True) as server:
        yield server.url(), server


_HOW = "name a store as sqlite:PATH, file:PATH, postgresql://..., or module:function"


def _of_package(name: str) -> Any:
    store = getattr(stores, name, None)
    if store is None:
        raise UnknownStoreError(f"this strongroom has no {name}")
    return store


def _closing(store: Any) -> AbstractContextManager[Store]:
    return cast("AbstractContextManager[Store]", closing(store) if hasattr(store, "close") else nullcontext(store))
