"""The pages on checkpoints and on the export say what runs: their blocks are programs, run in their order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from strongroom import Keyring

DOCS = Path(__file__).resolve().parent.parent / "docs"


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def ran(*command: str, folder: Path) -> str:
    environment = {**os.environ, "ENCRYPTION_KEY": KEY}
    environment.pop("ENCRYPTION_KEY_FILE", None)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


KEY = Keyring.generate().dangerous_export()


@pytest.mark.parametrize(("page", "count"), [("checkpoints.md", 3), ("audit-export.md", 1)])
def test_the_programs_of_the_page_run_in_their_order(page: str, count: int, tmp_path: Path) -> None:
    programs = blocks(page, "python")
    assert len(programs) == count
    for program in programs:
        ran(sys.executable, "-c", program, folder=tmp_path)
    for shell in blocks(page, "sh"):
        digest, of_note = ran("sh", "-c", shell, folder=tmp_path).split()[::2]
        assert digest == of_note
