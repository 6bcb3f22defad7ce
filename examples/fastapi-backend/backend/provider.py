"""Where a key is used. A service of yours calls a provider here; this one signs, as webhooks are signed."""

import hmac

from pydantic import BaseModel, ConfigDict, Field
from strongroom import Secret


class ToSign(BaseModel):
    """What is to be signed."""

    model_config = ConfigDict(extra="forbid")
    payload: str = Field(max_length=65536)


class Signed(BaseModel):
    """What is told of it."""

    signature: str
    """HMAC-SHA256 of the payload under the key, 64 hex digits."""


def sign(key: Secret, asked: ToSign) -> Signed:
    """Signs, and wipes the key."""
    with key:
        return Signed(signature=hmac.digest(key.reveal_bytes(), asked.payload.encode(), "sha256").hex())
