"""Reads secrets out of a vault in a SQLite file: `read.py DATABASE NAME...`, with ENCRYPTION_KEY set.

Prints JSON for the program that compares: not a thing to do with secrets otherwise.
"""

import json
import sys

import strongroom
from strongroom import Actor, Keyring, Vault
from strongroom.stores import SQLiteStore

ME = Actor("read.py", platform="python")


def main(path: str, *names: str) -> None:
    vault = Vault(Keyring.from_env(), SQLiteStore(path))
    values = {name: vault.get(name, actor=ME).reveal() for name in names}
    report = vault.verify_audit(actor=ME)
    told = {
        "values": values,
        "events": report.events,
        "unchained": report.unchained,
        "strongroom": strongroom.__version__,
        "python": sys.version.split()[0],
    }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
