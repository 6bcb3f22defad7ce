"""A host in a process of its own, as tests speak with it: one JSON object a line in, one a line out. Octets are hex.

`{"do": ..., ...}` is answered by `{"told": ...}`, or by `{"code", "message"}` when strongroom refused. Every host does:

- `version`; `generate`, `keys`, `export`, `encrypt`, `decrypt`, `inspect`: keyrings, by their text, and tokens;
- `open`: a vault on a store with some rows; `reopen`: with other keys or options on the store as it is; and `dump`,
  which gives the rows as they are then; `metrics`: what the vault has seen;
- the operations of a vault, by their names on the wire, with the arguments that these have there; `export` gives and
  `import` takes the archive as it is, without the age file around it;
- built with the feature `transcripts`: `fix_entropy`, then `clock` sets the time, `put` adds rows as another program
  would, `faults` says what the store fails at, `host` what else there is (`Surroundings` in tape.py), and `taken` gives
  the steps of the last operation, `[now, reply, ask, given, shown]`.

Those with files also know `open_file` and `close`, and `work`, which keeps a vault busy.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TRANSCRIPTS = ROOT / "target" / "transcripts"
LANGUAGES = ("rust", "node", "python", "browser")


class RefusedError(Exception):
    """What strongroom refused in a host."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Program:
    """How a host is started, and what must have been built for it."""

    command: list[str]
    built: Path
    by: str
    python_path: str | None = None


def program(language: str) -> Program:
    """The host of a language, with the package as it is built in the source tree."""
    if language == "rust":
        binary = ROOT / "target" / "hosts" / "rust"
        return Program([str(binary)], binary, "scripts/build-transcripts.sh")
    if language == "python":
        native = ROOT / "python" / "src" / "strongroom" / "_native.abi3.so"
        return _python(ROOT / "python" / "src", native, "scripts/build-python.sh")
    if language == "node":
        return _node("node_host.mjs", ROOT / "node", "node/ts/index.js", "scripts/build-node.sh")
    return _node("browser_host.mjs", ROOT / "wasm", "wasm/ts/index.js", "scripts/build-wasm.sh")


def transcript_program(language: str) -> Program:
    """The host of a language, with the feature `transcripts`."""
    by = "scripts/build-transcripts.sh"
    if language == "rust":
        return Program([str(TRANSCRIPTS / "rust")], TRANSCRIPTS / "rust", by)
    if language == "python":
        return _python(
            TRANSCRIPTS / "python",
            TRANSCRIPTS / "python" / "strongroom" / "__init__.py",
            by,
        )
    if language == "node":
        return _node("node_host.mjs", TRANSCRIPTS / "node", "node/ts/index.js", by)
    return _node("browser_host.mjs", TRANSCRIPTS / "web", "wasm/ts/index.js", by)


def _python(folder: Path, built: Path, by: str) -> Program:
    return Program(
        [sys.executable, "-m", "hosts.python_host"],
        built,
        by,
        f"{folder}{os.pathsep}{ROOT / 'tests'}",
    )


def _node(host: str, folder: Path, entry: str, by: str) -> Program:
    own = ROOT / ".tools" / "node24" / "node_modules" / "node" / "bin"
    node = shutil.which("node", path=f"{own}{os.pathsep}{os.environ.get('PATH', '')}")
    if node is None:
        raise RuntimeError("node is missing: run scripts/setup.sh node")
    return Program(
        [node, "--no-warnings", str(ROOT / "tests" / "hosts" / host), str(folder)],
        folder / "lib" / entry,
        by,
    )


class Host:
    """A running host."""

    def __init__(self, language: str, program: Program) -> None:
        if not program.built.exists():
            raise RuntimeError(f"{program.built.relative_to(ROOT)} is missing: run {program.by}")
        self.language = language
        environment = dict(os.environ)
        if program.python_path is not None:
            environment["PYTHONPATH"] = program.python_path
        # Its standard error is ours: what goes wrong there shows in the test's output.
        self._process = subprocess.Popen(
            program.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=environment,
        )

    def tell(self, what: str, **given: Any) -> None:
        """Asks without waiting for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **given}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """What the host told. Raises `RefusedError`."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the host of {self.language} ended with {self._process.wait()}")
        told = json.loads(line)
        if "code" in told:
            raise RefusedError(told["code"], told["message"])
        return told["told"]

    def ask(self, what: str, **given: Any) -> Any:
        """Asks and waits for the answer. An actor may be a mere id."""
        actor = given.get("actor")
        self.tell(
            what,
            **{**given, "actor": {"id": actor}} if isinstance(actor, str) else given,
        )
        return self.answer()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._process.stdout:
            self._process.stdin.close()
            self._process.wait(timeout=60)
