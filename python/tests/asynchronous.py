"""What tests of asyncio vaults share: a store that suspends at every call, and vaults used as synchronous ones, so that
one suite tests both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from strongroom import Vault, aio
from strongroom.stores import CommitAnswer, Store


class AsyncioStore:
    """Another store's records behind callbacks that suspend before they do what they do, and after.

    `suspend(kind, when)` is awaited at each of these moments.
    """

    def __init__(self, store: Store, suspend: Callable[[str, str], Awaitable[None]] | None = None) -> None:
        self._store, self._suspend = store, suspend or (lambda kind, when: asyncio.sleep(0))

    async def load(self, keys: Any, /) -> list[dict[str, Any]]:
        return cast("list[dict[str, Any]]", await self._do("load", lambda: self._store.load(keys)))

    async def list(self, query: Any, cursor: Any, /) -> dict[str, Any]:
        return cast("dict[str, Any]", await self._do("list", lambda: self._store.list(query, cursor)))

    async def commit(self, change_set: Any, /) -> CommitAnswer:
        return cast("CommitAnswer", await self._do("commit", lambda: self._store.commit(change_set)))

    async def events(self, query: Any, cursor: Any, /) -> dict[str, Any]:
        return cast("dict[str, Any]", await self._do("events", lambda: self._store.events(query, cursor)))

    async def _do(self, kind: str, call: Callable[[], object]) -> object:
        await self._suspend(kind, "before")
        answer = call()
        await self._suspend(kind, "after")
        return answer


class InLoops:
    """An asyncio vault, each call in an event loop of its own."""

    def __init__(self, vault: aio.Vault) -> None:
        self._vault = vault

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._vault, name)
        return lambda *arguments, **options: asyncio.run(method(*arguments, **options))


def in_loops(vault: aio.Vault) -> Vault:
    """An asyncio vault to be called as a synchronous one."""
    return cast("Vault", InLoops(vault))
