"""A bucket over HTTP as object stores have them, with conditional puts, and what can go wrong with one."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Fault = Literal[
    "forbidden",
    "refused before",
    "failed after",
    "lost before",
    "lost after",
    "late",
    "conflict",
    "stale",
    "cut",
    "other tag",
]


class Bucket:
    """One object, and the faults of the requests to come: by their method, in order."""

    def __init__(self) -> None:
        self.content: bytes | None = None
        self.before: tuple[bytes, int] | None = None
        self.version = 0
        self.faults: dict[str, list[Fault]] = {"GET": [], "PUT": []}
        self.puts: list[int] = []
        self.lock = threading.Lock()

    def fault(self, method: str) -> Fault | None:
        with self.lock:
            return self.faults[method].pop(0) if self.faults[method] else None

    def put(self, content: bytes, condition: tuple[str | None, str | None]) -> int:
        """The status of a conditional put: one of both conditions must be there, and hold."""
        match, none_match = condition
        with self.lock:
            as_expected = none_match == "*" and self.content is None if match is None else match == f'"{self.version}"'
            if not as_expected:
                return 412
            self.before = None if self.content is None else (self.content, self.version)
            self.content = content
            self.version += 1
            return 200


@contextmanager
def serving(bucket: Bucket) -> Iterator[Client]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fault = bucket.fault("GET")
            with bucket.lock:
                content, version = bucket.content, bucket.version
                if fault == "stale" and bucket.before is not None:
                    content, version = bucket.before
            if fault in ("forbidden", "refused before"):
                return self.answer(403 if fault == "forbidden" else 503)
            if content is None:
                return self.answer(404)
            if fault == "cut":
                content = content[: len(content) // 2]
            self.answer(200, content, '"other"' if fault == "other tag" else f'"{version}"')
            return None

        def do_PUT(self) -> None:
            fault = bucket.fault("PUT")
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if fault == "refused before":
                return self.answer(503)
            if fault == "conflict":
                return self.answer(412)
            if fault == "lost before":
                self.connection.close()
                return None
            status = bucket.put(content, (self.headers["If-Match"], self.headers["If-None-Match"]))
            bucket.puts.append(status)
            if fault == "failed after":
                return self.answer(500)
            if fault == "lost after":
                self.connection.close()
                return None
            if fault == "late":
                time.sleep(0.6)
            return self.answer(status)

        def answer(self, status: int, content: bytes = b"", tag: str | None = None) -> None:
            try:
                self.send_response(status)
                if tag is not None:
                    self.send_header("ETag", tag)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                pass  # Who asked has gone.

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Client(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Client:
    """`read` and `write` as an application would write them for such a bucket."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/vault"
        self.timeout = 30.0

    def read(self) -> tuple[bytes, str] | None:
        status, tag, content = self.request("GET", None, {})
        if status == 404:
            return None
        if status != 200 or tag is None:
            raise OSError(f"the bucket answered {status}")
        return content, tag

    def write(self, content: bytes, tag: str | None) -> Literal["written", "conflict"]:
        condition = {"If-None-Match": "*"} if tag is None else {"If-Match": tag}
        status, _, _ = self.request("PUT", content, condition)
        if status == 412:
            return "conflict"
        if status != 200:
            raise OSError(f"the bucket answered {status}")
        return "written"

    def request(self, method: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, str | None, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            connection.request(method, "/vault", body, headers)
            response = connection.getresponse()
            return response.status, response.headers["ETag"], response.read()
        finally:
            connection.close()
