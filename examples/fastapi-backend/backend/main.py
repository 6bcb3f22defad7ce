"""The application: what it is made of, what it checks before it starts, and how it tells errors."""

import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import strongroom
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy import URL, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from strongroom import Keyring, StrongroomError, aio
from strongroom.stores import SQLiteStore

from backend import api_keys, panel, shared
from backend.settings import Settings

log = logging.getLogger("backend")

BUSY_TIMEOUT = 30.0
"""How long a writer waits for others, in seconds."""

BODY_MAX = 4 * 1024 * 1024
"""The longest body, in octets: what the panel commits for a secret with ten long versions is less."""


def create_app(environ: Mapping[str, str] = os.environ) -> FastAPI:
    """The application. Raises `SettingsError`, and `StrongroomError` for a key that is missing or another one."""
    keyring = Keyring.from_env(environ)
    settings = Settings.from_env(environ)
    store = SQLiteStore(settings.database, busy_timeout=BUSY_TIMEOUT)
    engine = create_engine(
        URL.create("sqlite", database=settings.database),
        connect_args={"timeout": BUSY_TIMEOUT},
        hide_parameters=True,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        engine.dispose()
        store.close()

    app = FastAPI(
        lifespan=lifespan,
        max_body_size=BODY_MAX,
        # Its pages load scripts from elsewhere, into the origin where the panel's key is typed in.
        openapi_url=None,
        # It hands bodies, keys included, to whatever collects.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.settings = settings
    app.state.store = store
    app.state.keys = api_keys.ApiKeys(engine, keyring, migrate_fernet=settings.migrate_fernet)
    app.state.vault = aio.Vault(keyring, store, actors=settings.shared_users)
    # Opens the vault's head, made at the very first start, or raises `KeyUnknownError`.
    strongroom.Vault(keyring, store).exists("START", actor="start")
    if fernet := app.state.keys.count_fernet():
        log.warning("%d rows of api_keys are still Fernet: MIGRATE_FERNET=1 migrates each when it is used", fernet)

    app.include_router(api_keys.router)
    app.include_router(shared.router)
    if settings.panel is not None:
        app.include_router(panel.router)
        if settings.panel_dir is not None:
            app.mount("/panel", panel.PanelFiles(directory=settings.panel_dir, html=True))

    app.exception_handler(StrongroomError)(_strongroom_error)
    app.exception_handler(RequestValidationError)(_request_invalid)
    app.exception_handler(HTTPException)(_http_error)
    for storage_error in (sqlite3.Error, DBAPIError, PoolTimeoutError):
        app.exception_handler(storage_error)(_storage_failed)
    app.exception_handler(Exception)(_internal)
    return app


_STATUS = {
    "PERMISSION_DENIED": 403,
    "SECRET_NOT_FOUND": 404,
    "NAME_INVALID": 422,
    "VALUE_INVALID": 422,
    "INVALID_ARGUMENT": 422,
    "CONFLICT": 503,
    "STORAGE_FAILED": 503,
}
_CODE = {401: "UNAUTHORIZED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}


def _answer(
    request: Request, status: int, code: str, message: str | None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """An error. From 500 on, and where there is no message, the caller gets the code alone, and so does the log, with
    the route: an address may hold anything."""
    if status < 500 and message is not None:
        return JSONResponse({"code": code, "message": message}, status, headers)
    log.error("%s %s: %s", request.method, getattr(request.scope.get("route"), "path", "?"), code)
    return JSONResponse({"code": code}, status, headers)


async def _strongroom_error(request: Request, error: StrongroomError) -> JSONResponse:
    # Its messages hold no secret, but the names of fields that a store does not know: the panel sent those.
    is_repeated = error.code == "INVALID_ARGUMENT" and request.url.path.startswith(panel.router.prefix)
    return _answer(request, _STATUS.get(error.code, 500), error.code, None if is_repeated else str(error))


async def _request_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Says where, and what was expected. FastAPI's own answer repeats what was sent: here, that is somebody's key."""
    problems = []
    for problem in error.errors():
        # The place of a field that is none is its name, which was sent.
        place = problem["loc"][:-1] if problem["type"] == "extra_forbidden" else problem["loc"]
        problems.append(f"{'.'.join(map(str, place))}: {problem['msg']}")
    return _answer(request, 422, "REQUEST_INVALID", "; ".join(problems))


async def _http_error(request: Request, error: HTTPException) -> JSONResponse:
    code = _CODE.get(error.status_code, "REQUEST_INVALID")
    return _answer(request, error.status_code, code, error.detail, error.headers)


async def _storage_failed(request: Request, error: Exception) -> JSONResponse:
    return _answer(request, 503, "STORAGE_FAILED", "")


async def _internal(request: Request, error: Exception) -> JSONResponse:
    return _answer(request, 500, "INTERNAL", "")
