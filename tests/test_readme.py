"""The README is right: its code runs with this tree's packages and does what its comments say, its links lead on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import readme
from built import install_node

ROOT = readme.README.parent
TSC = ROOT / "node_modules" / ".bin" / "tsc"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A folder where the built Node package is installed, and the types of Node."""
    install_node(tmp_path)
    return tmp_path


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A folder where the built browser package is installed."""
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "strongroom-web").symlink_to(ROOT / "wasm")
    return tmp_path


def test_the_python_does_what_it_says() -> None:
    assert readme.program("python").claims == 4
    masked, error = readme.run_python(sys.executable).splitlines()
    assert masked == "sk_t****"
    assert error.startswith("SECRET_NOT_FOUND Secret not found")


def test_the_node_code_does_what_it_says(node: Path) -> None:
    assert readme.program("ts").claims == 4
    assert readme.run_node(node) == ""


def test_the_node_code_is_well_typed(node: Path) -> None:
    (node / "readme.mts").write_text(readme.source("ts"), encoding="utf-8")
    options = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2023", "--types", "node"]
    done = subprocess.run([TSC, *options, "readme.mts"], cwd=node, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_page_does_what_it_says(web: Path) -> None:
    assert readme.program("js").claims == 2
    assert readme.run_web(web) == ""


@pytest.mark.parametrize(
    ("language", "line", "other"),
    [("python", '# b"hunter2"', '# b"hunter3"'), ("ts", '// "sr1...."', '// "sr2...."'), ("ts", ": sk_t****", ": sk_")],
)
def test_a_comment_that_is_wrong_fails(
    tmp_path: Path, node: Path, monkeypatch: pytest.MonkeyPatch, language: str, line: str, other: str
) -> None:
    page = tmp_path / "README.md"
    page.write_text(readme.README.read_text(encoding="utf-8").replace(line, other), encoding="utf-8")
    monkeypatch.setattr(readme, "README", page)
    with pytest.raises(readme.BrokenReadmeError, match="the README says"):
        readme.run_python(sys.executable) if language == "python" else readme.run_node(node)


def test_every_block_is_in_a_language_that_is_run() -> None:
    assert {language: readme.fences().count(language) for language in set(readme.fences())} == {
        "sh": 1,
        "ts": 1,
        "python": 10,
        "js": 1,
    }


def test_every_command_is_a_target() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = re.findall(r"^make (\w+)|`make (\w+)`", readme.README.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(named) >= 5
    assert {either or other for either, other in named} <= set(targets)


def test_every_link_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", readme.README.read_text(encoding="utf-8"))
    assert len(links) > 10
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []
