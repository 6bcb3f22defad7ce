"""A process of Python or Node whose memory is searched: it works through a scenario, says `READY`, and waits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Literal, NoReturn

import pytest

from heap.memory import Found, search, why_not

Language = Literal["python", "node"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TIMEOUT = 300
"""A guard, in seconds: a process that takes so long hangs."""


def found_in(language: Language, scenario: str, folder: Path, secrets: dict[str, bytes]) -> list[Found]:
    """What a process has in its memory when it is done with a scenario, and whenever it says `LOOK` before.

    In the folder lie `vault.db` and `key`; the process is told the paths, never what they hold. Where the kernel does
    not let its memory be searched, the test fails; with STRONGROOM_NO_HEAP set, it is skipped.
    """
    environment = {**os.environ, "ENCRYPTION_KEY_FILE": str(folder / "key")}
    command = [*_program(language), scenario, str(folder / "vault.db")]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    found: list[Found] = []
    with process:
        try:
            if reason := why_not(process.pid):
                _cannot(reason)
            assert process.stdin is not None
            while (said := _said(process)) == "LOOK\n":
                # Only as it is: the search in every encoding takes its time.
                found += search(process.pid, secrets, ["octets"])
                process.stdin.write("go on\n")
                process.stdin.flush()
            assert said == "READY\n", f"{scenario} said {said!r} and not that it is ready"
            found += search(process.pid, secrets)
            process.communicate(timeout=TIMEOUT)
        except BaseException:
            process.kill()
            raise
    return found


def _cannot(reason: str) -> NoReturn:
    if os.environ.get("STRONGROOM_NO_HEAP"):
        pytest.skip(reason)
    pytest.fail(f"{reason}: allow it (ptrace, as root or by kernel.yama.ptrace_scope=0), or set STRONGROOM_NO_HEAP=1")


def _said(process: subprocess.Popen[str]) -> str:
    """Its next line; nothing when it ended, or was ended because it takes longer than `TIMEOUT`."""
    assert process.stdout is not None
    guard = threading.Timer(TIMEOUT, process.kill)
    guard.start()
    try:
        return process.stdout.readline()
    finally:
        guard.cancel()


def _program(language: Language) -> list[str]:
    if language == "python":
        return [sys.executable, "-X", "faulthandler", str(HERE / "child.py")]
    own = ROOT / ".tools" / "node24" / "node_modules" / "node" / "bin"
    node = shutil.which("node", path=f"{own}{os.pathsep}{os.environ.get('PATH', '')}")
    if node is None:
        raise RuntimeError("node is missing: run scripts/setup.sh node")
    return [node, "--no-warnings", "--expose-gc", str(HERE / "child.mjs")]
