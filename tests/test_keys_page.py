"""The page on keys says what runs: its blocks are programs, run in their order in one folder; one of them goes on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from strongroom import Keyring, Vault, WrappedKeyring
from strongroom.stores import SQLiteStore

from built import install_node

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "keys.md"
TSC = ROOT / "node_modules" / ".bin" / "tsc"
PHRASE = "correct horse battery staple"
BLOCKS: list[tuple[str, str]] = re.findall(
    r"^```(python|ts)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)
PYTHON = [code for language, code in BLOCKS if language == "python"]
TYPESCRIPT = [code for language, code in BLOCKS if language == "ts"]
KMS = {
    "kms.py": """\
def encrypt(data_key: bytearray) -> bytes:
    return bytes(octet ^ 0x5A for octet in data_key)

def decrypt(opaque: bytes) -> bytes:
    return bytes(octet ^ 0x5A for octet in opaque)
""",
    "kms.mjs": "export const decrypt = async (opaque) => opaque.map((byte) => byte ^ 0x5a);\n",
    "kms.d.mts": "export function decrypt(opaque: Uint8Array): Promise<Uint8Array>;\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The programs, in a folder where the built packages are installed."""
    install_node(tmp_path)
    for number, code in enumerate(PYTHON):
        (tmp_path / f"page_{number}.py").write_text(code, encoding="utf-8")
    for number, code in enumerate(TYPESCRIPT):
        (tmp_path / f"page_{number}.mts").write_text(code, encoding="utf-8")
    for name, code in KMS.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    return tmp_path


class Pages:
    """Runs the programs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "KEYRING_PASSPHRASE": PHRASE}

    def python(self, number: int) -> str:
        return self._ran(sys.executable, "-W", "error", f"page_{number}.py")

    def node(self, number: int) -> str:
        return self._ran(*node(number))

    def _ran(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command} says:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def keyring(self) -> Keyring:
        return WrappedKeyring.parse((self.folder / "keyring.srw").read_text()).unwrap(passphrase=PHRASE)

    def told(self) -> list[tuple[str | None, str]]:
        return [(key.label, key.state) for key in self.keyring().keys]


class Bot:
    """The program that goes on all the while."""

    def __init__(self, pages: Pages, number: int) -> None:
        self._process = subprocess.Popen(
            node(number),
            cwd=pages.folder,
            env=pages.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def write(self, value: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{value}\n")
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        self._process.communicate(timeout=30)
        assert self._process.returncode == 0


def node(number: int) -> list[str]:
    return ["node", "--disable-warning=ExperimentalWarning", f"page_{number}.mts"]


@pytest.fixture
def pages(folder: Path) -> Pages:
    return Pages(folder)


def test_there_are_as_many_programs_as_are_run_below() -> None:
    fences = re.findall(r"^```(.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {fence: fences[::2].count(fence) for fence in fences[::2]} == {"python": 6, "ts": 3}


def test_the_page_does_what_it_says_with_a_process_of_each_generation_side_by_side(pages: Pages) -> None:
    make, start, add_kms, step_1, step_2, retire = range(6)
    read, read_by_kms, bot_program = range(3)
    pages.python(make)
    pages.python(start)
    assert pages.node(read) == "sk_t****\n"
    wraps, keyring = pages.python(add_kms).splitlines()
    assert "label='operators', kind='passphrase'" in wraps
    assert "label='kms', kind='host'" in wraps
    assert pages.node(read_by_kms).strip() == keyring
    old = pages.keyring()
    pages.python(step_1)
    assert pages.told() == [("2026", "primary"), ("2027", "enabled")]
    bot = Bot(pages, bot_program)
    assert bot.write("at step 1") == "written"
    with SQLiteStore(pages.folder / "app.db") as store:
        behind = Vault(old, store)
        assert behind.get("FROM_CHAT", actor="backend").reveal() == "at step 1"
        behind.set("FROM_BEHIND", "written before step 2", actor="backend")
    assert "unreadable=0, next=None" in pages.python(step_2)
    assert pages.told() == [("2027", "primary"), ("2026", "enabled")]
    assert [bot.write(value) for value in ("at step 2", "again")] == ["written, with the new key", "written"]
    pages.python(start)
    assert pages.python(retire).split() == ["disabled", "destroyed"]
    assert pages.told() == [("2027", "primary"), ("2026", "destroyed")]
    assert bot.write("without the old key") == "written"
    with SQLiteStore(pages.folder / "app.db") as store:
        vault = Vault(pages.keyring(), store)
        assert vault.get("FROM_CHAT", actor="backend").reveal() == "without the old key"
        assert vault.get("FROM_BEHIND", actor="backend").reveal() == "written before step 2"
        assert vault.verify_audit(actor="backend").events > 10
    bot.end()
    assert pages.node(read_by_kms).strip() == repr(pages.keyring())


def test_the_python_is_well_typed(folder: Path) -> None:
    for number in range(len(PYTHON)):
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", f"page_{number}.py"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{number}: {done.stdout}"


def test_the_typescript_is_well_typed(folder: Path) -> None:
    options = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2023", "--types", "node"]
    programs = [f"page_{number}.mts" for number in range(len(TYPESCRIPT))]
    done = subprocess.run([TSC, *options, *programs], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
