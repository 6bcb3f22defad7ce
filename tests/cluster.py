"""A PostgreSQL server of the tests' own, in a temporary folder, reached by a Unix socket and on loopback.

As a program it prints a URL, and stops the server when its standard input ends: `python tests/cluster.py`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

_USER = "postgres"


def binaries() -> Path:
    """Where the server's programs are: of the newest that is installed, or on the path."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if installed:
        return installed[-1]
    initdb = shutil.which("initdb")
    if initdb is None:
        raise RuntimeError("PostgreSQL is missing: run scripts/setup.sh services")
    return Path(initdb).parent


class Cluster:
    """A running server. It may be stopped hard and started again on what is left."""

    def __init__(self, *, fsync: bool) -> None:
        self._bin, self._fsync = binaries(), fsync
        self.password = secrets.token_hex(8)
        self._folder = Path(tempfile.mkdtemp(prefix="strongroom-pg-"))
        # The server runs as nobody who may do everything.
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as = {"user": _USER, "group": _USER, "extra_groups": []}
            shutil.chown(self._folder, _USER, _USER)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._initialise()
        self.start()

    @property
    def socket_folder(self) -> str:
        return str(self._folder)

    def url(self, database: str = "postgres", scheme: str = "postgresql") -> str:
        """On loopback."""
        return f"{scheme}://{_USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.socket_folder,
            "fsync": "on" if self._fsync else "off",
            "max_connections": "100",
        }
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        command = [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self.port), *options]
        ready = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        self._server = self._spawn(command)
        for _ in range(600):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            if self._server.poll() is not None:
                # What a killed server left is still going away.
                self._server = self._spawn(command)
            time.sleep(0.05)
        raise RuntimeError(f"the server did not start: {(self._folder / 'log').read_text()[-2000:]}")

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=self._data, **self._as)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends it in order, SIGQUIT at once, SIGKILL as a crash does."""
        self._server.send_signal(how)
        self._server.wait(timeout=60)

    def restart(self) -> None:
        """At once, without a word to anybody."""
        self.stop(signal.SIGQUIT)
        self.start()

    def cut_connections(self) -> None:
        """All that clients have."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )

    def close(self) -> None:
        if self._server.poll() is None:
            self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _initialise(self) -> None:
        password = self._folder / "password"
        password.write_text(self.password)
        password.chmod(0o644)
        options = ["-E", "UTF8", "--locale=C.UTF-8", "-A", "scram-sha-256", f"--pwfile={password}", "-N", "-U", _USER]
        command = [str(self._bin / "initdb"), "-D", str(self._data), *options]
        made = subprocess.run(command, capture_output=True, text=True, cwd=self._folder, check=False, **self._as)
        password.unlink()
        if made.returncode != 0:
            raise RuntimeError(f"initdb failed: {made.stderr}")


@contextlib.contextmanager
def running(*, fsync: bool = False) -> Iterator[Cluster]:
    cluster = Cluster(fsync=fsync)
    try:
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A server for all tests; it keeps nothing over a crash, but is quick."""
    with running() as cluster:
        yield cluster


def main() -> None:
    with running() as cluster:
        print(cluster.url(), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
