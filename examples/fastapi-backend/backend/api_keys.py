"""Users' own API keys: rows of a table whose values are encrypted and bound to their row."""

import uuid
from datetime import datetime, timezone
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from sqlalchemy import DateTime, Engine, TypeDecorator, delete, func, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker
from strongroom import Keyring, Secret

from backend.access import User
from backend.provider import Signed, ToSign, sign


class UtcDateTime(TypeDecorator[datetime]):
    """SQLite forgets time zones; here they are all UTC."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.astimezone(timezone.utc).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.replace(tzinfo=timezone.utc)


class Base(DeclarativeBase):
    pass


class ApiKey(Base):
    """A row. It holds ciphertext."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(index=True)
    provider: Mapped[str]
    encrypted_key: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def associated_data(self) -> str:
        """What the value is bound to: in another row it does not open. None of the parts can hold a colon."""
        return f"api_keys:{self.id}:{self.owner}:{self.provider}"


class ApiKeys:
    """The table, and the keyring that encrypts its values."""

    def __init__(self, engine: Engine, keyring: Keyring, *, migrate_fernet: bool) -> None:
        Base.metadata.create_all(engine)
        self._sessions = sessionmaker(engine, expire_on_commit=False)
        self._keyring = keyring
        self._migrate_fernet = migrate_fernet

    def add(self, owner: str, provider: str, value: Secret) -> ApiKey:
        """Adds a key. The row gets its id first: the value is bound to it."""
        row = ApiKey(id=uuid.uuid4().hex, owner=owner, provider=provider, created_at=datetime.now(timezone.utc))
        row.encrypted_key = self._keyring.encrypt(value.reveal_bytes(), associated_data=row.associated_data)
        with self._sessions.begin() as session:
            session.add(row)
        return row

    def rows(self, owner: str | None = None) -> list[ApiKey]:
        """The rows of an owner, or all of them, oldest first."""
        query = select(ApiKey).order_by(ApiKey.created_at, ApiKey.id)
        with self._sessions() as session:
            return list(session.scalars(query if owner is None else query.where(ApiKey.owner == owner)))

    def row(self, owner: str, key_id: str) -> ApiKey:
        """A row of this owner. Raises 404, for other owners' rows too."""
        with self._sessions() as session:
            row = session.scalar(select(ApiKey).where(ApiKey.id == key_id, ApiKey.owner == owner))
        if row is None:
            raise HTTPException(404, "you have no key with this id: look at GET /keys")
        return row

    def remove(self, owner: str, key_id: str) -> None:
        """Deletes a row of this owner. Raises 404."""
        row = self.row(owner, key_id)
        with self._sessions.begin() as session:
            session.execute(delete(ApiKey).where(ApiKey.id == row.id))

    def open(self, row: ApiKey) -> Secret:
        """Decrypts a row's value. Only `sealed` values know their row, so no other format is let in."""
        if self._migrate_fernet and not row.encrypted_key.startswith("sr1."):
            self._migrate(row)
        return Secret(self._keyring.decrypt(row.encrypted_key, associated_data=row.associated_data, formats=["sealed"]))

    def _migrate(self, row: ApiKey) -> None:
        """Encrypts anew what Fernet wrote, bound to its row now. Until then its token opens in any row."""
        old = row.encrypted_key
        plaintext = self._keyring.decrypt(old, formats=["fernet"])
        row.encrypted_key = self._keyring.encrypt(plaintext, associated_data=row.associated_data)
        with self._sessions.begin() as session:
            # If another request came first, its value stays.
            unchanged = (ApiKey.id == row.id, ApiKey.encrypted_key == old)
            session.execute(update(ApiKey).where(*unchanged).values(encrypted_key=row.encrypted_key))

    def mark_used(self, row: ApiKey) -> None:
        """Notes that a key was used now."""
        with self._sessions.begin() as session:
            session.execute(update(ApiKey).where(ApiKey.id == row.id).values(last_used=datetime.now(timezone.utc)))

    def count_fernet(self) -> int:
        """How many rows are still to be migrated."""
        with self._sessions() as session:
            query = select(func.count()).where(~ApiKey.encrypted_key.startswith("sr1."))
            return session.scalar(query) or 0


class NewKey(BaseModel):
    """A key to keep."""

    model_config = ConfigDict(extra="forbid")
    provider: str = Field(pattern=r"^[a-z0-9-]{1,64}$")
    key: SecretStr = Field(min_length=1, max_length=4096)


class KeyInfo(BaseModel):
    """What is told of a key."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    provider: str
    created_at: datetime
    last_used: datetime | None


class MaskedKey(KeyInfo):
    """What is told of a key that was opened."""

    masked: str


def _keys(request: Request) -> ApiKeys:
    keys: ApiKeys = request.app.state.keys
    return keys


Keys = Annotated[ApiKeys, Depends(_keys)]
router = APIRouter(prefix="/keys")


@router.post("", status_code=201)
def add_key(new: NewKey, user: User, keys: Keys) -> MaskedKey:
    with Secret(new.key.get_secret_value()) as value:
        return _masked(keys.add(user, new.provider, value), value)


@router.get("")
def list_keys(user: User, keys: Keys) -> list[KeyInfo]:
    return [KeyInfo.model_validate(row) for row in keys.rows(user)]


@router.get("/{key_id}")
def show_key(key_id: str, user: User, keys: Keys) -> MaskedKey:
    row = keys.row(user, key_id)
    with keys.open(row) as value:
        return _masked(row, value)


@router.post("/{key_id}/sign")
def sign_with_key(key_id: str, asked: ToSign, user: User, keys: Keys) -> Signed:
    row = keys.row(user, key_id)
    signed = sign(keys.open(row), asked)
    keys.mark_used(row)
    return signed


@router.delete("/{key_id}", status_code=204)
def remove_key(key_id: str, user: User, keys: Keys) -> None:
    keys.remove(user, key_id)


def _masked(row: ApiKey, value: Secret) -> MaskedKey:
    return MaskedKey(**KeyInfo.model_validate(row).model_dump(), masked=value.masked())
