"""A change of keys, killed with -9 at twenty random moments and then finished: nothing is lost and nothing left behind.

How large the vault is, by environment variable: STRONGROOM_REKEY_SECRETS (500) and STRONGROOM_REKEY_VERSIONS (3).
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strongroom import Keyring, Vault
from strongroom.errors import KeyInUseError, KeyringStaleError, KeyUnknownError
from strongroom.stores import SQLiteStore

SECRETS = int(os.environ.get("STRONGROOM_REKEY_SECRETS", "500"))
VERSIONS = int(os.environ.get("STRONGROOM_REKEY_VERSIONS", "3"))
KILLS = 20
MOST_PAGES = 5
# Even if every process did all that it may before it is killed, something is left for the last.
PAGE = max(1, min(500, SECRETS // ((MOST_PAGES + 1) * KILLS)))

REKEYING = """
import sys
from strongroom import Keyring, Vault
from strongroom.stores import SQLiteStore
vault = Vault(Keyring.parse(sys.argv[2]), SQLiteStore(sys.argv[1]))
print("begun", flush=True)
for page in vault.rekey_pages(actor="operator", limit=int(sys.argv[3])):
    print(page.changed, flush=True)
    if page.changed:
        sys.stdin.readline()
print("done", flush=True)
"""


def value(number: int, version: int) -> str:
    return f"value {version} of {number}"


def name(number: int) -> str:
    return f"SECRET_{number:06}"


def populate(path: Path, keyring: Keyring) -> None:
    """In memory, so that no commit waits for a disk."""
    with SQLiteStore(":memory:") as store, SQLiteStore(path) as into:
        vault = Vault(keyring, store)
        for version in range(1, VERSIONS + 1):
            for number in range(SECRETS):
                vault.set(name(number), value(number, version), actor="alice")
        vault.propose("set", "PROPOSED", "a proposed value", actor="alice")
        store._connection.backup(into._connection)


def killed_after(path: Path, keyring: Keyring, pages: int, within: float) -> int:
    """Kills a rekeying process so many changed pages on, and up to `within` seconds more; tells how many were told.

    It may do one page more than that and then waits, so that a fast machine is not through before it is killed.
    """
    command = [sys.executable, "-c", REKEYING, str(path), keyring.dangerous_export(), str(PAGE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n" * pages)
        process.stdin.flush()
        assert process.stdout.readline() == "begun\n"
        changed = 0
        while changed < pages:
            line = process.stdout.readline().strip()
            assert line.isdigit(), f"it ended before it was killed: {line}"
            changed += line != "0"
        time.sleep(within * secrets.randbelow(1000) / 1000)
        process.kill()
        rest = process.stdout.read().split()
        assert process.wait() == -9, "it was not killed"
    assert "done" not in rest, "it was through before it was killed"
    return changed + sum(line != "0" for line in rest)


def needs(vault: Vault, key_id: str) -> tuple[int, int, int, int]:
    count = vault.census(actor="judge").keys.get(key_id)
    return (0, 0, 0, 0) if count is None else (count.values, count.versions, count.proposals, count.root)


def test_a_rekey_that_is_killed_twenty_times_is_finished_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    old, new = Keyring.generate(), Keyring.generate()
    old_id, new_id = old.keys[0].id, new.keys[0].id
    populate(path, old)
    to_new = Keyring.parse(f"{new.dangerous_export()},{old.dangerous_export()}")
    to_old = Keyring.parse(f"{old.dangerous_export()},{new.dangerous_export()}")
    with SQLiteStore(path) as store, SQLiteStore(path) as other_store:
        judge, behind, only_old = Vault(to_new, store), Vault(to_old, other_store), Vault(old, other_store)
        assert needs(judge, old_id) == (SECRETS, SECRETS * (VERSIONS - 1), 1, 1)
        # Before the change the running process may write, and the new one may not.
        behind.set("RUNNING", "still", actor="alice")
        with pytest.raises(KeyringStaleError):
            judge.set("RUNNING", "not yet", actor="alice")

        done, left = 0, needs(judge, old_id)
        for kill in range(KILLS):
            # Some at once, while the keyring takes the lead; the others spread over all that there is to do.
            pages = 0 if kill < 3 else secrets.randbelow(MOST_PAGES + 1)
            done += killed_after(path, to_new, pages, 0.05)
            was, left = left, needs(judge, old_id)
            assert all(now <= before for now, before in zip(left, was, strict=True)), f"kill {kill}"
            assert left[0] > 0, f"nothing was left to do at kill {kill}: it was no test"
            number = secrets.randbelow(SECRETS)
            for vault in (judge, behind):
                assert vault.get(name(number), actor="judge").reveal() == value(number, VERSIONS), f"kill {kill}"
            if kill >= 3:
                with pytest.raises(KeyringStaleError):
                    behind.set(name(number), "lost", actor="alice")
            if kill % 5 == 4:
                with pytest.raises(KeyInUseError, match="values"):
                    judge.retire(old_id, actor="operator")
        assert done > 0
        assert left[0] < SECRETS

        rekeyed = judge.rekey(actor="operator")
        assert rekeyed.examined >= SECRETS + 1
        assert rekeyed.changed >= left[0]
        assert rekeyed.unreadable == 0
        assert needs(judge, old_id) == (0, 0, 0, 0)
        assert judge.rekey(actor="operator").changed == 0
        with pytest.raises(KeyringStaleError):
            behind.rotate(name(0), "lost", actor="alice")
        with pytest.raises((KeyUnknownError, KeyringStaleError)):
            only_old.set(name(0), "lost", actor="alice")
        assert [judge.retire(old_id, actor="operator").state for _ in range(2)] == ["disabled", "destroyed"]

        # All is there, under the new key alone. In memory again: so many events need no disk.
        in_memory = SQLiteStore(":memory:")
        store._connection.backup(in_memory._connection)
    with in_memory:
        alone = Vault(new, in_memory)
        for number in range(SECRETS):
            assert alone.get(name(number), actor="judge").reveal() == value(number, VERSIONS)
        for number in (0, SECRETS // 2, SECRETS - 1):
            assert [each.number for each in alone.versions(name(number), actor="judge")] == [*range(VERSIONS, 0, -1)]
            alone.rollback(name(number), 1, actor="alice")
            assert alone.get(name(number), actor="judge").reveal() == value(number, 1)
        assert set(alone.census(actor="judge").keys) == {new_id}
        alone.verify_audit(actor="judge")
