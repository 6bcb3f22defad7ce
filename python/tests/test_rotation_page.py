"""The example of docs/rotation.md runs as it stands there, against what it needs of PostgreSQL."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from strongroom import Keyring, Vault
from strongroom.errors import RotationFailedError
from strongroom.stores import MemoryStore

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rotation.md"


class Server:
    """Roles with the verifiers of their passwords, and what of psycopg's connection the example uses."""

    def __init__(self) -> None:
        self.roles: dict[str, str] = {}
        self.pgconn = SimpleNamespace(encrypt_password=self._verifier)
        self.is_down = False

    def _verifier(self, password: bytes, role: bytes, algorithm: bytes) -> bytes:
        return b"%b(%b of %b)" % (algorithm, password[::-1], role)

    def execute(self, statement: str, arguments: tuple[str, ...] = ()) -> Any:
        if self.is_down:
            raise ConnectionError("the server is down")
        if statement.startswith("SELECT format("):
            made = "ALTER ROLE {} LOGIN PASSWORD {!r}".format(*arguments)
            return SimpleNamespace(fetchone=lambda: [made])
        altered = re.fullmatch(r"ALTER ROLE (\w+) LOGIN PASSWORD '(.*)'", statement)
        assert altered is not None, statement
        self.roles[altered[1]] = altered[2]
        return None

    def commit(self) -> None:
        pass

    def lets_in(self, login: str) -> bool:
        role, password = login.split(":")
        return self.roles.get(role) == self._verifier(password.encode(), role.encode(), b"scram-sha-256").decode()


def example() -> Any:
    [code] = [block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "class" in block]
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102
    return names["TwoRoles"]


def test_programs_with_the_old_login_go_on_until_the_next_rotation() -> None:
    server, vault = Server(), Vault(Keyring.generate(), MemoryStore())
    rotator = example()(server)
    server.roles["app_b"] = server._verifier(b"by hand", b"app_b", b"scram-sha-256").decode()
    vault.set("DB_LOGIN", "app_b:by hand", actor="alice")
    logins = ["app_b:by hand"]
    for _ in range(4):
        server.is_down = True
        with pytest.raises(RotationFailedError) as failed:
            vault.rotate("DB_LOGIN", rotator=rotator, actor="cron")
        assert isinstance(failed.value.__cause__, ConnectionError)
        server.is_down = False
        vault.rotate("DB_LOGIN", rotator=rotator, actor="cron")
        logins.append(vault.get("DB_LOGIN", actor="app").reveal())
        assert [server.lets_in(login) for login in logins[-2:]] == [True, True]
        assert not any(server.lets_in(login) for login in logins[:-2])
    assert len({login.split(":")[0] for login in logins[-2:]}) == 2
