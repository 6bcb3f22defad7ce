"""Who calls: bearer tokens, compared in constant time."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer


class Tokens:
    """The tokens of some callers, kept as digests: what is not here, no traceback shows."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._digests = {caller: _digest(token) for caller, token in tokens.items()}

    def caller(self, presented: str) -> str | None:
        """Whose token it is. Looks at all of them, so that the time it takes tells nothing."""
        digest, found = _digest(presented), None
        for caller, known in self._digests.items():
            if hmac.compare_digest(digest, known):
                found = caller
        return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


_Presented = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


async def _user(request: Request, presented: _Presented) -> str:
    return _known(request.app.state.settings.users, presented)


async def _panel(request: Request, presented: _Presented) -> str:
    return _known(request.app.state.settings.panel, presented)


def _known(tokens: Tokens, presented: HTTPAuthorizationCredentials | None) -> str:
    caller = None if presented is None else tokens.caller(presented.credentials)
    if caller is None:
        headers = {"WWW-Authenticate": "Bearer"}
        raise HTTPException(401, "send `Authorization: Bearer TOKEN` with a token that is known here", headers)
    return caller


User = Annotated[str, Depends(_user)]
"""The user whose token was sent."""

PanelOnly = Depends(_panel)
"""Lets nobody through but the panel."""
