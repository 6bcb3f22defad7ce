"""The page on choosing a store says what runs: its programs move a vault."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from strongroom import Keyring

from built import install_node

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "choosing-a-store.md"
TSC = ROOT / "node_modules" / ".bin" / "tsc"


def block(language: str) -> str:
    """The one block of a language."""
    page = PAGE.read_text(encoding="utf-8")
    [code] = re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return str(code)


def ran(*command: str | Path, folder: Path) -> None:
    environment = {**os.environ, "ENCRYPTION_KEY": Keyring.generate().dangerous_export()}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]} says:\n{done.stdout}\n{done.stderr}"


def test_the_program_in_python_moves_a_vault(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(block("python"), encoding="utf-8")
    ran(sys.executable, "page.py", folder=tmp_path)
    assert (tmp_path / "vault.db").exists()


def test_the_program_in_typescript_moves_a_vault(tmp_path: Path) -> None:
    install_node(tmp_path)
    (tmp_path / "page.mts").write_text(block("ts"), encoding="utf-8")
    strict = ["--strict", "--module", "nodenext", "--target", "es2023", "--types", "node", "--skipLibCheck"]
    ran(TSC, *strict, "page.mts", folder=tmp_path)
    ran("node", "--disable-warning=ExperimentalWarning", "page.mjs", folder=tmp_path)
    assert (tmp_path / "moved.db").exists()


def test_the_commands_on_the_page_are_those_that_there_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-m", "load", "--help"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    [block] = re.findall(r"^```sh\n(make load .*?)^```$", page, re.DOTALL | re.MULTILINE)
    options = set(re.findall(r"--[a-z-]+", block))
    assert len(options) >= 4
    assert all(option in told for option in options), told
