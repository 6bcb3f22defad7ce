"""What stores have in common that answer all requests in one way: as JSON, which the core writes and reads itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from strongroom._error import NothingAppliedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom._error import StrongroomError
    from strongroom.stores import AsyncStore, CommitAnswer, Store


class Answering:
    """The four callbacks, over one that answers a request as the wire has it."""

    __slots__ = ()

    def load(self, keys: list[dict[str, Any]], /) -> list[dict[str, Any]]:
        """The records with these keys that exist."""
        records: list[dict[str, Any]] = self._told("load", {"keys": keys})["records"]
        return records

    def list(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        """A page of keys and revisions."""
        page: dict[str, Any] = self._told("list", {"query": query, "cursor": cursor})
        return page

    def commit(self, change_set: dict[str, Any], /) -> CommitAnswer:
        """Applies all of a change set or none of it."""
        answer: CommitAnswer = self._told("commit", {"change_set": change_set})
        return answer

    def events(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        """A page of events."""
        page: dict[str, Any] = self._told("events", {"query": query, "cursor": cursor})
        return page

    def _told(self, kind: str, content: dict[str, Any]) -> Any:
        return json.loads(self._answer(kind, json.dumps(content, allow_nan=False)))[kind]

    def _answer(self, kind: str, content: str) -> str:
        """The answer to a request of that kind, by its name: `{"load": {"records": [...]}}`. Raises what is wrong."""
        raise NotImplementedError


class AsyncAnswering:
    """The same for asyncio."""

    __slots__ = ()

    async def load(self, keys: list[dict[str, Any]], /) -> list[dict[str, Any]]:
        """The records with these keys that exist."""
        records: list[dict[str, Any]] = (await self._told("load", {"keys": keys}))["records"]
        return records

    async def list(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        """A page of keys and revisions."""
        page: dict[str, Any] = await self._told("list", {"query": query, "cursor": cursor})
        return page

    async def commit(self, change_set: dict[str, Any], /) -> CommitAnswer:
        """Applies all of a change set or none of it."""
        answer: CommitAnswer = await self._told("commit", {"change_set": change_set})
        return answer

    async def events(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        """A page of events."""
        page: dict[str, Any] = await self._told("events", {"query": query, "cursor": cursor})
        return page

    async def _told(self, kind: str, content: dict[str, Any]) -> Any:
        return json.loads(await self._answer(kind, json.dumps(content, allow_nan=False)))[kind]

    async def _answer(self, kind: str, content: str) -> str:
        """As `Answering._answer`."""
        raise NotImplementedError


_OURS = {getattr(of, kind) for of in (Answering, AsyncAnswering) for kind in ("load", "list", "commit", "events")}


def answering(store: Store | AsyncStore, kind: str) -> Callable[[str, str], Any] | None:
    """What takes that kind of request as JSON, if the store's callback is ours, of that store or of another.

    One that somebody put in its place is to be called.
    """
    callback = getattr(store, kind, None)
    if getattr(callback, "__func__", None) not in _OURS:
        return None
    of: Answering | AsyncAnswering = callback.__self__  # type: ignore[union-attr]
    return of._answer


def named(kind: str, content: str) -> str:
    """A request, or its answer, by the name of its kind, as the wire has it."""
    return f'{{"{kind}":{content}}}'


def raise_having_done_nothing(error: StrongroomError, kind: str) -> NoReturn:
    """Raises what a store does that has done nothing: for a commit, so that the vault learns of it."""
    if kind == "commit":
        raise NothingAppliedError(str(error)) from error
    raise error from error.__cause__
