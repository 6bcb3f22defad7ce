"""What the environment says, besides the keyring, which `Keyring.from_env` reads."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backend.access import Tokens

_USER = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TOKEN = re.compile(r"[A-Za-z0-9_.~+/=-]{20,256}")
_PANEL_DIR = Path(__file__).resolve().parents[2] / "admin-panel" / "public"


class SettingsError(Exception):
    """A setting is missing or wrong. Says which one and what to do, never its value."""


@dataclass(frozen=True)
class Settings:
    """The settings, checked."""

    database: str
    users: Tokens
    shared_users: list[str] | None
    """Who may use shared secrets; all users when `None`."""
    panel: Tokens | None
    """The panel's token; there is no panel when `None`."""
    panel_dir: Path | None
    migrate_fernet: bool

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises `SettingsError`."""
        users = _users(environ.get("API_TOKENS", ""))
        shared = environ.get("SHARED_USERS")
        shared_users = None if shared is None else [user.strip() for user in shared.split(",") if user.strip()]
        if not set(shared_users or ()) <= users.keys():
            raise SettingsError("SHARED_USERS names a user whom API_TOKENS does not have")
        panel = environ.get("PANEL_TOKEN")
        if panel is not None and not _TOKEN.fullmatch(panel):
            raise SettingsError(
                "PANEL_TOKEN is too short or has other characters: make one with `openssl rand -hex 24`"
            )
        if panel in users.values():
            raise SettingsError("PANEL_TOKEN is a user's token too: make one with `openssl rand -hex 24`")
        return cls(
            database=environ.get("DATABASE", "backend.db"),
            users=Tokens(users),
            shared_users=shared_users,
            panel=None if panel is None else Tokens({"panel": panel}),
            panel_dir=_panel_dir(environ.get("PANEL_DIR")),
            migrate_fernet=environ.get("MIGRATE_FERNET") == "1",
        )


def _users(text: str) -> dict[str, str]:
    """The tokens of `user:token,user:token`."""
    users: dict[str, str] = {}
    for number, pair in enumerate((pair.strip() for pair in text.split(",") if pair.strip()), start=1):
        user, _, token = pair.partition(":")
        if not _USER.fullmatch(user) or not _TOKEN.fullmatch(token):
            raise SettingsError(
                f"entry {number} of API_TOKENS is no `user:token` with a token of 20 characters or more"
            )
        if user in users or token in users.values():
            raise SettingsError(f"entry {number} of API_TOKENS repeats a user or a token")
        users[user] = token
    if not users:
        raise SettingsError("API_TOKENS is not set: give `user:token`, the token made with `openssl rand -hex 24`")
    return users


def _panel_dir(given: str | None) -> Path | None:
    if given is None:
        return _PANEL_DIR if _PANEL_DIR.is_dir() else None
    if not Path(given).is_dir():
        raise SettingsError("PANEL_DIR is no folder: give the one that holds the panel's index.html")
    return Path(given)
