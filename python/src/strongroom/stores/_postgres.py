"""What a store over PostgreSQL runs, and what it makes of what the server says. Stores run it, each in its way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from strongroom import _native
from strongroom._error import of_code, translated
from strongroom.stores._answering import named, raise_having_done_nothing

if TYPE_CHECKING:
    from sqlalchemy import Dialect


@dataclass(frozen=True)
class Postgres:
    """The statements of one schema, as one driver takes them."""

    schema: str
    statements: dict[str, Any]

    @classmethod
    def of(cls, dialect: Dialect, schema: str | None) -> Postgres:
        """Raises `UnsupportedError` for another database, or another driver."""
        if dialect.name != "postgresql" or dialect.driver not in ("psycopg", "asyncpg"):
            message = f"{dialect.name}+{dialect.driver} is no database of a vault: use postgresql+psycopg, or sqlite"
            raise of_code("UNSUPPORTED", message)
        schema = "public" if schema is None else schema
        with translated():
            statements = json.loads(_native.postgres_statements(schema))
        if dialect.driver == "psycopg":
            for request in ("load", "list", "events", "commit"):
                before, _, after = statements[request].rpartition("$1")
                statements[request] = f"{before.replace('%', '%%')}%s{after}"
        return cls(schema, statements)

    def plan_opening(self, inspection: str, version: int | None) -> dict[str, Any]:
        """What is to be run on a database that was just opened."""
        with translated():
            plan: dict[str, Any] = json.loads(_native.postgres_plan_opening(self.schema, inspection, version))
        return plan

    def asking(self, kind: str, content: str) -> Asking:
        """A request, to be run as one statement."""
        return Asking(kind, self.statements[kind], (content,), self.statements["meanings"])


@dataclass
class Asking:
    """A request under way: what a store runs, and what to make of the error that it meets."""

    kind: str
    sql: str
    parameters: tuple[str]
    meanings: dict[str, Any]
    before: Literal["lost", "stale"] | None = None
    """What became of the first time."""

    def is_spent(self, met: Met) -> bool:
        """Whether the connection is of no more use."""
        return self._meaning(met) in ("lost", "stale")

    def is_worth_another(self, met: Met) -> bool:
        """Whether to ask once more, by a new connection: that one may have been gone for long.

        A commit that was applied is told by its operation id.
        """
        meaning = self._meaning(met)
        if self.before is not None or meaning not in ("lost", "stale"):
            return False
        self.before = meaning
        return True

    def told(self, answer: str) -> str:
        """The answer that the server gave, by its name."""
        return named(self.kind, answer)

    def answer_to(self, met: Met) -> str:
        """What the error answers to the request. Raises what is wrong."""
        meaning = self._meaning(met)
        # That this one was only kept waiting, or taken back, tells nothing of one that was lost.
        if self.before == "lost" and meaning in ("busy", "conflict"):
            raise met.error
        if self.kind == "commit" and meaning == "conflict":
            return self.told('"conflict"')
        failure = self.meanings[meaning]["failure"] if meaning is not None else None
        if failure is not None:
            failed = of_code(failure["code"], failure["message"])
            failed.__cause__ = met.error
            raise_having_done_nothing(failed, self.kind)
        raise met.error

    def _meaning(self, met: Met) -> Any:
        if met.is_lost:
            return "lost"
        state = met.sqlstate or ""
        begins = (name for name, each in self.meanings.items() if state.startswith(tuple(each["states"])))
        return next(begins, None)


@dataclass(frozen=True)
class Met:
    """What a request met with in place of an answer."""

    error: Exception
    sqlstate: str | None
    is_lost: bool
    """Whether the connection is gone."""
