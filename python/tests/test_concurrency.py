"""Two processes on the same five secrets: no error reaches a caller, no access is lost, the chain verifies."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from strongroom import Keyring, Vault
from strongroom.stores import SQLiteStore

OPERATIONS = 1000
NAMES = [f"K{index}" for index in range(5)]

WORKER = """
import json, random, sys
from strongroom import Keyring, Vault
from strongroom.stores import SQLiteStore

path, key, worker, operations = sys.argv[1:]
names = [f"K{index}" for index in range(5)]
done = {"gets": dict.fromkeys(names, 0), "writes": dict.fromkeys(names, 0), "events": 0}
choose = random.Random(worker)
with SQLiteStore(path) as store:
    vault = Vault(Keyring.parse(key), store)
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(operations)):
        name, what = choose.choice(names), choose.choices(["get", "set", "rotate", "propose"], [7, 1, 1, 1])[0]
        value = f"value of {worker} number {number}"
        if what == "get":
            assert vault.get(name, actor=worker).reveal()
            done["gets"][name] += 1
        elif what == "propose":
            vault.cancel(vault.propose("rotate", name, value, actor=worker).id, actor=worker)
            done["events"] += 1
        else:
            getattr(vault, what)(name, value, actor=worker)
            done["writes"][name] += 1
        done["events"] += 1
print(json.dumps(done), flush=True)
"""


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    path, keyring = tmp_path / "shared.db", Keyring.generate()
    with SQLiteStore(path) as store:
        vault = Vault(keyring, store)
        for name in NAMES:
            vault.set(name, "start", actor="main")

        def start(worker: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-c", WORKER, str(path), keyring.dangerous_export(), worker, str(OPERATIONS)]
            return subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )

        processes = [start("one"), start("two")]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        outcomes = [process.communicate(timeout=120) for process in processes]
        assert [errors for _, errors in outcomes] == ["", ""]
        told = [json.loads(output) for output, _ in outcomes]

        listed = {each.name: each for each in vault.list(actor="main")}
        for name in NAMES:
            assert listed[name].accessed_count == sum(done["gets"][name] for done in told)
            assert listed[name].version == 1 + sum(done["writes"][name] for done in told)
            assert vault.get(name, actor="main").reveal().startswith("value of ")
        # init, five sets, what the two did, the list, five gets.
        assert vault.verify_audit(actor="main").events == 1 + 5 + sum(done["events"] for done in told) + 1 + 5
