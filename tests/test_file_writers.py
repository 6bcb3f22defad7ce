"""One file that Python and Node write at once, each in processes of its own; and one of fixed content, in each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from strongroom import Keyring, Vault
from strongroom.stores import FileStore

from hosts.process import ROOT

KEYRING = Keyring.generate()

PYTHON = """
import sys
from strongroom import Keyring, Vault
from strongroom.stores import FileStore
key, path, name, writes = sys.argv[1:]
vault = Vault(Keyring.parse(key), FileStore(path))
for number in range(int(writes)):
    vault.set(f"{name}{number % 10}", f"sk_test_{name}_{number:04}", actor=name)
    vault.set("HOT", f"sk_test_{name}_{number:04}", actor=name)
"""

NODE = """
import { Keyring, Vault } from "STRONGROOM/index.js";
import { FileStore } from "STRONGROOM/file.js";
const [key, path, name, writes] = process.argv.slice(1);
const vault = new Vault({ keyring: Keyring.parse(key), store: new FileStore(path) });
for (let number = 0; number < Number(writes); number += 1) {
  const value = `sk_test_${name}_${String(number).padStart(4, "0")}`;
  await vault.set(`${name}${number % 10}`, value, { actor: name });
  await vault.set("HOT", value, { actor: name });
}
""".replace("STRONGROOM", str(ROOT / "node/lib/node/ts"))


def node(*arguments: str) -> list[str]:
    program = shutil.which("node")
    assert program is not None, "node is missing: run scripts/setup.sh"
    assert (ROOT / "node/lib/node/ts/file.js").exists(), "run scripts/build-node.sh"
    return [program, "--input-type=module", "-e", NODE, "--", *arguments]


def test_two_languages_that_write_one_file_at_once_lose_nothing(tmp_path: Path) -> None:
    path, writes = tmp_path / "secrets.json.enc", 50
    key = KEYRING.dangerous_export()
    writers = {
        name: [sys.executable, "-c", PYTHON, key, str(path), name, str(writes)]
        if name.startswith("python")
        else node(key, str(path), name, str(writes))
        for name in ("python1", "node1", "python2", "node2")
    }
    running = {name: subprocess.Popen(command) for name, command in writers.items()}
    assert {name: process.wait(timeout=300) for name, process in running.items()} == dict.fromkeys(writers, 0)
    vault = Vault(KEYRING, FileStore(path))
    # Every write has its event and its version, in an order that each writer would agree with.
    events = [event for event in vault.audit("HOT", limit=1000, actor="alice") if event.action == "set"]
    assert len(events) == len(writers) * writes
    assert {name: sum(event.actor == name for event in events) for name in writers} == dict.fromkeys(writers, writes)
    assert vault.set("HOT", "sk_test_last", actor="alice").version == len(writers) * writes + 1
    for name in writers:
        for last in range(writes - 10, writes):
            assert vault.get(f"{name}{last % 10}", actor="alice").reveal() == f"sk_test_{name}_{last:04}"
    assert vault.verify_audit(actor="alice").events > 0
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["secrets.json.enc", "secrets.json.enc.lock"]


@pytest.fixture
def pinned(tmp_path: Path) -> tuple[str, Path]:
    """The key and the file of a vault that was written once and for all."""
    own = json.loads((ROOT / "core/tests/document_v1.json").read_text())
    path = tmp_path / "vault"
    path.write_text(own["document"])
    path.chmod(0o600)
    return own["key"], path


READ_BY_NODE = """
import { Keyring, Vault } from "STRONGROOM/index.js";
import { FileStore } from "STRONGROOM/file.js";
const [key, path] = process.argv.slice(1);
const vault = new Vault({ keyring: Keyring.parse(key), store: new FileStore(path) });
await vault.verifyAudit({ actor: "alice" });
console.log((await vault.get("STRIPE_API_KEY", { actor: "alice" })).reveal());
""".replace("STRONGROOM", str(ROOT / "node/lib/node/ts"))


def test_a_document_of_version_1_stays_readable(pinned: tuple[str, Path]) -> None:
    key, path = pinned
    vault = Vault(Keyring.parse(key), FileStore(path))
    assert vault.verify_audit(actor="alice").events > 0
    assert vault.get("STRIPE_API_KEY", actor="alice").reveal() == "sk_test_abc123"
    assert [item.name for item in vault.list(actor="alice")] == ["DATABASE_URL", "STRIPE_API_KEY"]


def test_a_document_of_version_1_stays_readable_in_node(pinned: tuple[str, Path]) -> None:
    key, path = pinned
    command = node(key, str(path))
    command[command.index("-e") + 1] = READ_BY_NODE
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert ended.stdout == "sk_test_abc123\n"
