"""What stores have in common that have one way to answer all requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from strongroom._error import NothingAppliedError

if TYPE_CHECKING:
    from collections.abc import Container

    from strongroom._error import StrongroomError
    from strongroom.stores import CommitAnswer


class Answering:
    """The four callbacks, over one that answers a request as the wire has it."""

    __slots__ = ()

    def load(self, keys: list[dict[str, Any]], /) -> list[dict[str, Any]]:
        """The records with these keys that exist."""
        records: list[dict[str, Any]] = self._answer({"load": {"keys": keys}})["load"]["records"]
        return records

    def list(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        """A page of keys and revisions."""
        page: dict[str, Any] = self._answer({"list": {"query": query, "cursor": cursor}})["list"]
        return page

    def commit(self, change_set: dict[str, Any], /) -> CommitAnswer:
        """Applies all of a change set or none of it."""
        answer: CommitAnswer = self._answer({"commit": {"change_set": change_set}})["commit"]
        return answer

    def events(self, query: dict[str, Any], cursor: str | None, /) -> dict[str, Any]:
        """A page of events."""
        page: dict[str, Any] = self._answer({"events": {"query": query, "cursor": cursor}})["events"]
        return page

    def _answer(self, request: dict[str, Any]) -> Any:
        raise NotImplementedError


def raise_having_done_nothing(error: StrongroomError, request: Container[str]) -> NoReturn:
    """Raises what a store does that has done nothing: for a commit, so that the vault learns of it."""
    if "commit" in request:
        raise NothingAppliedError(str(error)) from error
    raise error from error.__cause__
