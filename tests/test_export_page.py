"""The page on exports says what runs: its programs move secrets, and its commands open what they exported."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from built import install_node

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
TSC = ROOT / "node_modules" / ".bin" / "tsc"


def block(language: str) -> str:
    """The one block of a language."""
    [code] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(code)


def told(code: str) -> list[str]:
    """What the page says that a program prints."""
    return re.findall(r"(?:print|console\.log)\(.*(?:  #|//) (.*)$", code, re.MULTILINE)


def ran(*command: str | Path, folder: Path, **variables: str) -> list[str]:
    environment = {**os.environ, "BACKUP_PASSPHRASE": "correct horse battery staple", **variables}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]} says:\n{done.stdout}\n{done.stderr}"
    return done.stdout.splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The programs, in a folder where the built packages are installed."""
    install_node(tmp_path)
    (tmp_path / "page.py").write_text(block("python"), encoding="utf-8")
    (tmp_path / "page.mts").write_text(block("ts"), encoding="utf-8")
    return tmp_path


def test_the_program_in_python_moves_a_secret_by_a_passphrase(folder: Path) -> None:
    said = ran(sys.executable, "-W", "error", "page.py", folder=folder)
    assert said == told(block("python"))
    assert len(said) == 2


def test_the_program_in_typescript_moves_one_by_keys_and_age_opens_its_file_as_the_page_says(folder: Path) -> None:
    ran("age-keygen", "-o", "key.txt", folder=folder)
    [recipient] = ran("age-keygen", "-y", "key.txt", folder=folder)
    node = ("node", "--disable-warning=ExperimentalWarning", "page.mts")
    said = ran(*node, folder=folder, BACKUP_RECIPIENT=recipient)
    assert said == told(block("ts"))
    assert len(said) == 1
    about, values, value = ran("sh", "-ec", block("sh"), folder=folder)
    assert '"name":"STRIPE_API_KEY"' in about
    assert len(values.split()) == 1
    assert value == "sk_test_abc123"


def test_the_programs_are_well_typed(folder: Path) -> None:
    ran(sys.executable, "-m", "mypy", "--strict", "page.py", folder=folder)
    options = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2023", "--types", "node"]
    ran(TSC, *options, "page.mts", folder=folder)
