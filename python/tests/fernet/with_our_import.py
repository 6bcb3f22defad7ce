"""Runs a file that was written for `cryptography.fernet`, with that one import changed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def source_of(file: str, sha256: str) -> str:
    raw = (FOLDER / file).read_bytes()
    assert hashlib.sha256(raw).hexdigest() == sha256, f"{file} is no longer what its authors wrote"
    return raw.decode()


def with_our_import(source: str) -> str:
    """The source with `cryptography.fernet` exchanged for `strongroom.fernet`, in one line and no other."""
    changed = re.sub(r"(?m)^from cryptography\.fernet import ", "from strongroom.fernet import ", source)
    lines = zip(source.splitlines(), changed.splitlines(), strict=True)
    differences = [pair for pair in lines if pair[0] != pair[1]]
    assert len(differences) == 1, differences
    assert "cryptography.fernet" not in changed
    return changed


def run(source: str, name: str, file: str, **given: Any) -> dict[str, Any]:
    """The names that the source defines. Its tracebacks point to the file: the lines are the same."""
    namespace: dict[str, Any] = {"__name__": name, **given}
    exec(compile(source, str(FOLDER / file), "exec"), namespace)  # noqa: S102  # a file of this folder
    return namespace
