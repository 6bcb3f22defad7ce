"""What a store over PostgreSQL runs, and what it makes of what the server says. Stores run it, each in its way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from strongroom import _native
from strongroom._error import of_code, translated

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.exc import DBAPIError

Request = Literal["load", "list", "events", "commit"]


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

    def answer_to(self, request: Request, error: DBAPIError) -> Any:
        """What an error of the server answers to a request. Raises what is wrong."""
        state = _state(error)
        if request == "commit" and state in self.statements["conflicts"]:
            return "conflict"
        if state.startswith(self.statements["refused"]):
            message = f"PostgreSQL cannot keep what the {request} holds ({state}); nothing was applied"
            raise of_code("INVALID_ARGUMENT", message) from error
        raise error


def is_lost(error: DBAPIError) -> bool:
    """Whether the connection is gone: what became of the request nobody knows, and each can be asked again."""
    return error.connection_invalidated or _state(error).startswith(("57P", "08"))


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""
