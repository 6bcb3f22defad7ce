"""The page for authors of stores says what runs: its blocks, one after another, are programs that pass the kit.

Its Rust is a doctest of the crate `strongroom`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from built import install_node

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "writing-a-store.md"
TSC = ROOT / "node_modules" / ".bin" / "tsc"


def blocks(language: str) -> list[str]:
    """The blocks of a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def ran(*command: str | Path, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]} says:\n{done.stdout}\n{done.stderr}"


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The program in Python."""
    program = tmp_path / "page.py"
    program.write_text("".join(blocks("python")), encoding="utf-8")
    return program


@pytest.fixture
def typescript(tmp_path: Path) -> Path:
    """The program in TypeScript, in a folder where the built package is installed."""
    install_node(tmp_path)
    program = tmp_path / "page.mts"
    program.write_text("".join(blocks("ts")), encoding="utf-8")
    return program


def test_the_page_has_programs_in_each_language_and_no_others() -> None:
    fences = re.findall(r"^```(.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert fences[1::2] == [""] * (len(fences) // 2)
    assert {fence: fences[::2].count(fence) for fence in fences[::2]} == {"python": 5, "ts": 2, "rust": 1}


def test_the_python_passes_the_kit(python: Path) -> None:
    ran(sys.executable, "-W", "error", python, folder=python.parent)


def test_the_python_is_well_typed(python: Path) -> None:
    ran(sys.executable, "-m", "mypy", "--strict", python, folder=python.parent)


def test_the_typescript_passes_the_kit(typescript: Path) -> None:
    ran("node", "--disable-warning=ExperimentalWarning", typescript, folder=typescript.parent)


def test_the_typescript_is_well_typed(typescript: Path) -> None:
    options = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2023", "--types", "node"]
    ran(TSC, *options, typescript, folder=typescript.parent)
