"""The engine of a SQLAlchemy store: the one that was given, or one made for a URL, encrypted off this machine."""

from __future__ import annotations

import ipaddress
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from strongroom._error import of_code

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

_ENCRYPTED = {"require", "verify-ca", "verify-full"}

_ELSEWHERE = ("conninfo", "dsn", "service", "servicefile")
"""What in a URL may name other servers, or other settings, than it shows."""


class Inherited:
    """Knows whether an engine's connections are those of a process that this one was forked from."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._pid = engine, os.getpid()

    def leave(self) -> None:
        """Leaves them to that process, unclosed: two on one socket read each other's answers."""
        if self._pid != os.getpid():
            self._engine.dispose(close=False)
            self._pid = os.getpid()


def engine_for(given: Engine | str | URL, *, require_tls: bool) -> tuple[Engine, bool]:
    """An engine whose transactions are single statements, and whether it is the store's own to dispose of."""
    _import_sqlalchemy("sqlalchemy")
    from sqlalchemy import Engine, create_engine
    from sqlalchemy.pool import StaticPool

    if isinstance(given, Engine):
        return given, False
    url = _url(given)
    if url.get_backend_name() == "sqlite":
        in_memory = url.database in (None, "", ":memory:")
        # Every connection to memory is a database of its own.
        options = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}} if in_memory else {}
        return create_engine(url, hide_parameters=True, **options), True
    return create_engine(_postgres(url, "psycopg"), **_options(url, "psycopg", require_tls=require_tls)), True


def async_engine_for(given: AsyncEngine | str | URL, *, require_tls: bool) -> tuple[AsyncEngine, bool]:
    """The same for asyncio."""
    _import_sqlalchemy("sqlalchemy.ext.asyncio")
    from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

    if isinstance(given, AsyncEngine):
        return given, False
    url = _url(given)
    driver = "asyncpg" if url.drivername.endswith("+asyncpg") else "psycopg"
    return create_async_engine(_postgres(url, driver), **_options(url, driver, require_tls=require_tls)), True


def _import_sqlalchemy(part: str) -> None:
    """Raises `UnsupportedError` where it is not installed, or what it needs for asyncio."""
    try:
        import_module(part)
    except ImportError as error:
        raise of_code("UNSUPPORTED", "SQLAlchemy 2 is missing: install strongroom[sqlalchemy]") from error


def _url(given: str | URL) -> URL:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(given)
    except (ArgumentError, ValueError):
        # Without its text, which may hold a password; a piece of one is what a port that is no number tells.
        message = "it is no URL of a database, such as postgresql://user@host/database"
        raise of_code("INVALID_ARGUMENT", message) from None


def _postgres(url: URL, driver: str) -> URL:
    if url.drivername not in ("postgres", "postgresql", f"postgresql+{driver}"):
        message = f"{url.drivername} is no database of a vault: use postgresql+{driver}, or sqlite with SQLAlchemyStore"
        raise of_code("UNSUPPORTED", message)
    return url.set(drivername=f"postgresql+{driver}")


def _options(url: URL, driver: str, *, require_tls: bool) -> dict[str, Any]:
    """Nothing is asked of the server but what a request asks: no ping before it, and nothing to set back after it."""
    arguments: dict[str, Any] = {}
    if driver == "psycopg":
        arguments = {"prepare_threshold": 0, "connect_timeout": url.query.get("connect_timeout", "10")}
    mode_name = "sslmode" if driver == "psycopg" else "ssl"
    if require_tls and (named := [name for name in _ELSEWHERE if name in url.query]):
        message = (
            f"{named[0]} in the URL may lead to a server that the URL does not show: name the server in the URL; "
            "or, where something else protects the connection, require_tls=False"
        )
        raise of_code("INVALID_ARGUMENT", message)
    mode = url.query.get(mode_name) or (os.environ.get("PGSSLMODE") if driver == "psycopg" else None)
    if require_tls and mode not in _ENCRYPTED and not _is_this_machine(url):
        if mode is not None:
            message = (
                f"{mode_name}={mode} lets the connection go unencrypted: say {mode_name}=verify-full, or require; "
                "or, where something else protects it, require_tls=False"
            )
            raise of_code("INVALID_ARGUMENT", message)
        arguments[mode_name] = "require"
    return {
        "isolation_level": "AUTOCOMMIT",
        "connect_args": arguments,
        "hide_parameters": True,
        "skip_autocommit_rollback": True,
        "pool_pre_ping": False,
        "pool_reset_on_return": None,
    }


def _is_this_machine(url: URL) -> bool:
    """Whether every server that the URL names is reached without a network: by loopback, or by a Unix socket."""
    if "PGSERVICE" in os.environ:
        return False
    named = [*_listed(url.host), *_listed(url.query.get("host")), *_listed(url.query.get("hostaddr"))]
    addresses = [*(named or _listed(os.environ.get("PGHOST"))), *_listed(os.environ.get("PGHOSTADDR"))]
    return all(_is_local(address) for address in addresses)


def _listed(hosts: str | tuple[str, ...] | None) -> list[str]:
    """`a:1` or `a,b`, or several of them."""
    if not hosts:
        return []
    texts = [hosts] if isinstance(hosts, str) else hosts
    return [host for text in texts for host in text.split(",")]


def _is_local(host: str) -> bool:
    if host == "" or host.startswith(("/", "@")) or host.split(":")[0] == "localhost":
        return True
    for address in (host, host.rpartition(":")[0].strip("[]")):
        try:
            return ipaddress.ip_address(address).is_loopback
        except ValueError:
            continue
    return False
