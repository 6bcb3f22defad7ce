"""A Node process that does what it is told: the other side of the tests between languages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HOST = ROOT / "tests" / "node_host.mjs"
BUILT = ROOT / "node" / "lib" / "node" / "ts" / "index.js"


class NodeError(Exception):
    """What the Node side threw; `code` is the error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class NodeHost:
    """A running process. Ask it by the names in `node_host.mjs`."""

    def __init__(self) -> None:
        if not BUILT.exists():
            raise RuntimeError(f"{BUILT} is missing: run scripts/build-node.sh")
        own = ROOT / ".tools" / "node24" / "node_modules" / "node" / "bin"
        node = shutil.which("node", path=f"{own}{os.pathsep}{os.environ.get('PATH', '')}")
        if node is None:
            raise RuntimeError("node is missing: run scripts/setup.sh node")
        # Its standard error is ours: what goes wrong there shows in the test's output.
        self._process = subprocess.Popen(
            [node, "--no-warnings", str(HOST)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def tell(self, what: str, **given: Any) -> None:
        """Asks without waiting for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"what": what, **given}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"node ended with {self._process.wait()}")
        told = json.loads(line)
        if "code" in told:
            raise NodeError(told["code"], told["message"])
        return told["told"]

    def ask(self, what: str, **given: Any) -> Any:
        self.tell(what, **given)
        return self.answer()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()
