"""The page on the file store says what runs: its blocks are programs, run in one folder, against a bucket over HTTP."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from strongroom import Keyring, Vault
from strongroom.stores import FileStore

from bucket import Bucket, serving
from built import install_node

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "file-store.md").read_text(encoding="utf-8")
TSC = ROOT / "node_modules" / ".bin" / "tsc"
KEYRING = Keyring.generate()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


IN_A_FILE, BACKUP, IN_A_BUCKET = range(3)


class Programs:
    """Runs the programs of the page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""

    def python(self, number: int) -> str:
        return self.ran(sys.executable, "-W", "error", f"page_{number}.py")

    def node(self, number: int) -> str:
        return self.ran("node", "--disable-warning=ExperimentalWarning", f"page_{number}.mts")

    def ran(self, *command: str | Path) -> str:
        ended = self.ended(*command)
        assert ended.returncode == 0, f"{command[0]} says:\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def ended(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "ENCRYPTION_KEY": KEYRING.dangerous_export(), "VAULT_URL": self.url}
        environment.pop("ENCRYPTION_KEY_FILE", None)
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )  # fmt: skip


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    install_node(tmp_path)
    for number, code in enumerate(blocks("python")):
        (tmp_path / f"page_{number}.py").write_text(code, encoding="utf-8")
    for number, code in enumerate(blocks("ts")):
        (tmp_path / f"page_{number}.mts").write_text(code, encoding="utf-8")
    return Programs(tmp_path)


def test_there_are_as_many_programs_as_are_run_below() -> None:
    fences = re.findall(r"^```(.*)$", PAGE, re.MULTILINE)
    assert {fence: fences[::2].count(fence) for fence in fences[::2]} == {"python": 3, "ts": 2, "sh": 1}


def test_the_file_that_python_writes_is_read_by_node_backed_up_and_put_back(programs: Programs) -> None:
    programs.python(IN_A_FILE)
    assert programs.node(0) == "sk_t****\n"
    (programs.folder / "backups").mkdir()
    programs.python(BACKUP)
    path = programs.folder / "secrets.json.enc"
    path.unlink()
    [restore] = blocks("sh")
    programs.ran("sh", "-c", restore)
    assert Vault(KEYRING, FileStore(path)).get("STRIPE_API_KEY", actor="alice").reveal() == "sk_test_abc123"


def test_the_bucket_that_python_writes_is_read_by_node(programs: Programs) -> None:
    bucket = Bucket()
    with serving(bucket) as client:
        programs.url = client.url
        programs.python(IN_A_BUCKET)
        assert programs.node(1) == "sk_t****\n"
        programs.python(IN_A_BUCKET)
    assert set(bucket.puts) == {200}


@pytest.mark.parametrize("status", [403, 503])
def test_a_bucket_that_says_neither_what_there_is_nor_that_there_is_nothing_is_no_empty_one(
    programs: Programs, status: int
) -> None:
    bucket = Bucket()
    commands = [
        (sys.executable, f"page_{IN_A_BUCKET}.py"),
        ("node", "--disable-warning=ExperimentalWarning", "page_1.mts"),
    ]
    with serving(bucket) as client:
        programs.url = client.url
        programs.python(IN_A_BUCKET)
        content, puts = bucket.content, list(bucket.puts)
        for command in commands:
            bucket.faults["GET"] = ["forbidden" if status == 403 else "refused before"] * 10
            ended = programs.ended(*command)
            assert ended.returncode != 0
            assert re.search(rf"HTTP Error {status}|the bucket answered {status}", ended.stderr), ended.stderr
            bucket.faults["GET"] = []
    assert (bucket.content, bucket.puts) == (content, puts)


def test_the_python_is_well_typed(programs: Programs) -> None:
    for number in range(3):
        programs.ran(sys.executable, "-m", "mypy", "--strict", f"page_{number}.py")


def test_the_typescript_is_well_typed(programs: Programs) -> None:
    options = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2023", "--types", "node"]
    programs.ran(TSC, *options, "page_0.mts", "page_1.mts")
