"""Shared secrets: a vault, which keeps their history and decides who may use them."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from strongroom import Actor, Secret
from strongroom.aio import Vault

from backend.access import User
from backend.provider import Signed, ToSign, sign


class NewValue(BaseModel):
    """A value for a shared secret."""

    model_config = ConfigDict(extra="forbid")
    value: SecretStr = Field(max_length=65536)


class Told(BaseModel):
    """The base of what is told: made from what the vault returns, without what is not named."""

    model_config = ConfigDict(from_attributes=True)


class SharedInfo(Told):
    """What a list tells of a secret."""

    name: str
    version: int
    last_rotated: datetime | None
    accessed_count: int
    created_by: str | None


class WrittenInfo(Told):
    """What a write did."""

    name: str
    version: int | None
    created: bool
    at: datetime


class EventInfo(Told):
    """An event of the history."""

    at: datetime | None
    action: str | None
    name: str | None
    actor: str | None
    platform: str | None
    outcome: str | None
    code: str | None
    chained: Annotated[bool, Field(validation_alias="stream"), BeforeValidator(lambda stream: stream is not None)]
    """Whether it is in the chain, which vouches for it. What is not is older than the vault, or forged by somebody who
    can write to the store."""


class HistoryInfo(Told):
    """What a verified history consists of."""

    vault_id: str
    events: int
    streams: int
    unchained: int
    """Events outside the chain, found as they were when the vault began."""


def _vault(request: Request) -> Vault:
    vault: Vault = request.app.state.vault
    return vault


def _actor(user: User) -> Actor:
    return Actor(user, platform="http")


Shared = Annotated[Vault, Depends(_vault)]
Caller = Annotated[Actor, Depends(_actor)]
router = APIRouter()


@router.get("/shared")
async def list_shared(vault: Shared, actor: Caller) -> list[SharedInfo]:
    return [SharedInfo.model_validate(each) for each in await vault.list(actor=actor)]


@router.post("/shared/{name}")
async def set_shared(name: str, new: NewValue, vault: Shared, actor: Caller) -> WrittenInfo:
    value = Secret(new.value.get_secret_value())
    return WrittenInfo.model_validate(await vault.set(name, value, actor=actor))


@router.post("/shared/{name}/sign")
async def sign_with_shared(name: str, asked: ToSign, vault: Shared, actor: Caller) -> Signed:
    return sign(await vault.get(name, actor=actor), asked)


@router.delete("/shared/{name}")
async def delete_shared(name: str, vault: Shared, actor: Caller) -> WrittenInfo:
    return WrittenInfo.model_validate(await vault.delete(name, actor=actor))


@router.get("/audit")
async def audit(vault: Shared, actor: Caller, name: str | None = None, limit: int = 20) -> list[EventInfo]:
    return [EventInfo.model_validate(event) for event in await vault.audit(name, actor=actor, limit=limit)]


@router.get("/audit/verified")
async def verify_audit(vault: Shared, actor: Caller) -> HistoryInfo:
    return HistoryInfo.model_validate(await vault.verify_audit(actor=actor))


@router.get("/metrics")
async def metrics(request: Request, vault: Shared, user: User) -> Response:
    """For Prometheus. It names secrets, so it is for those who may list them."""
    shared_users = request.app.state.settings.shared_users
    if shared_users is not None and user not in shared_users:
        raise HTTPException(403, "metrics are for those who may use shared secrets")
    return Response(vault.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")
