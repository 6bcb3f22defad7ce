"""What the admin panel asks for: ciphertext, and the vault's store. The browser holds the key; nothing here does."""

from datetime import datetime
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.types import Scope
from strongroom.stores import Store

from backend.access import PanelOnly
from backend.api_keys import Keys

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PanelFiles(StaticFiles):
    """The panel's files. What they may do is nailed down: a key is typed in there."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        return response


class Row(BaseModel):
    """A row of `api_keys`, as it is stored."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    owner: str
    provider: str
    encrypted_key: str
    created_at: datetime
    last_used: datetime | None


class Load(BaseModel):
    """The arguments of `load`."""

    model_config = ConfigDict(extra="forbid")
    keys: list[dict[str, Any]]


Limit = Annotated[int, Field(ge=1, le=1000)]
"""How long a page may be."""


class ListQuery(BaseModel):
    """What `list` looks for."""

    model_config = ConfigDict(extra="forbid")
    kind: str
    namespace: str | None
    by: dict[str, Any] | None = None
    limit: Limit


class EventQuery(BaseModel):
    """What `events` looks for."""

    model_config = ConfigDict(extra="forbid")
    scope: str | dict[str, Any]
    limit: Limit


_CURSOR = TypeAdapter[object](
    int | tuple[str | None, str | int | None] | tuple[str, str, str], config=ConfigDict(strict=True)
)


def _given_before(cursor: str) -> str:
    """A cursor such as `SQLiteStore` gives: the number of a row, or where it stands in the order, as JSON."""
    try:
        _CURSOR.validate_json(cursor)
    except ValidationError:
        raise ValueError("this is no cursor that was given here") from None
    return cursor


Cursor: TypeAlias = Annotated[str, AfterValidator(_given_before)]

Query = TypeVar("Query", ListQuery, EventQuery)


class Page(BaseModel, Generic[Query]):
    """The arguments of `list` and `events`."""

    model_config = ConfigDict(extra="forbid")
    query: Query
    cursor: Cursor | None


class Commit(BaseModel):
    """The arguments of `commit`."""

    model_config = ConfigDict(extra="forbid")
    change_set: dict[str, Any]


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


VaultStore = Annotated[Store, Depends(_store)]
router = APIRouter(prefix="/panel/api", dependencies=[PanelOnly])


@router.get("/secrets")
def list_rows(keys: Keys) -> list[Row]:
    return [Row.model_validate(row) for row in keys.rows()]


@router.post("/store/load")
def load(asked: Load, store: VaultStore) -> Response:
    return JSONResponse(store.load(asked.keys))


@router.post("/store/list")
def list_page(asked: Page[ListQuery], store: VaultStore) -> Response:
    return JSONResponse(store.list(asked.query.model_dump(), asked.cursor))


@router.post("/store/events")
def events_page(asked: Page[EventQuery], store: VaultStore) -> Response:
    return JSONResponse(store.events(asked.query.model_dump(), asked.cursor))


@router.post("/store/commit")
def commit(asked: Commit, store: VaultStore) -> Response:
    return JSONResponse(store.commit(asked.change_set))
