"""The real service in a process of its own, as users reach it: over HTTP."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
from strongroom import Keyring

EXAMPLE = Path(__file__).resolve().parents[1]
TOKENS = {"alice": "alice-0123456789-abcdef", "bob": "bob-0123456789-abcdefgh", "panel": "panel-0123456789-abcdef"}
LISTENING = re.compile(r"Uvicorn running on (http://127\.0\.0\.1:\d+)")
TIMEOUT = 120


class Service:
    """A service over a folder. `with service:` runs it; it may be run again."""

    def __init__(self, folder: Path, **environ: str | None) -> None:
        self.database = folder / "backend.db"
        self.key = Keyring.generate().dangerous_export()
        self.environ: dict[str, str | None] = {
            "ENCRYPTION_KEY": self.key,
            "API_TOKENS": ",".join(f"{user}:{TOKENS[user]}" for user in ("alice", "bob")),
            "PANEL_TOKEN": TOKENS["panel"],
            "PANEL_DIR": None,
            "DATABASE": str(self.database),
            **environ,
        }
        self.log = ""
        self.received = ""
        """All answers, headers included."""

    def __enter__(self) -> Service:
        self._process = self._start()
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.log += line
            found = LISTENING.search(line)
            if found:
                self.url = found.group(1)
                break
        else:
            raise AssertionError(f"the service did not start:\n{self.log}")
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._ended()

    def kill(self) -> None:
        """Ends it without a chance to tidy up."""
        self._process.kill()
        self._ended()

    def fails_to_start(self) -> str:
        """What a service that cannot start says. It says so with 1."""
        said = ""
        with self._start() as process:
            assert process.stdout is not None
            for line in process.stdout:
                said += line
                if LISTENING.search(line):
                    process.kill()
        assert process.returncode == 1, said
        return said

    @contextmanager
    def client(self, caller: str | None) -> Iterator[httpx.Client]:
        """A client with the token of a caller."""

        def receive(response: httpx.Response) -> None:
            response.read()
            self.received += f"{response.status_code} {response.headers!r}\n{response.text}\n"

        headers = {} if caller is None else {"Authorization": f"Bearer {TOKENS[caller]}"}
        with httpx.Client(
            base_url=self.url, headers=headers, timeout=TIMEOUT, event_hooks={"response": [receive]}
        ) as client:
            yield client

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What somebody who can write to the database does."""
        with closing(sqlite3.connect(self.database, timeout=TIMEOUT)) as connection, connection:
            return connection.execute(statement, parameters).fetchall()

    def _start(self) -> subprocess.Popen[str]:
        environ = {**os.environ, "ENCRYPTION_KEY_FILE": None, **self.environ}
        return subprocess.Popen(
            [sys.executable, "-m", "backend", "--port", "0"],
            cwd=EXAMPLE,
            env={name: value for name, value in environ.items() if value is not None},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.log += line

    def _ended(self) -> None:
        self._process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        assert self._process.stdout is not None
        self._process.stdout.close()
