"""A bot's database as it was before strongroom: tables, values and habits of a program that encrypted by hand.

Its values are AES-256-GCM with a random IV of 16 octets, `base64(iv + tag + ciphertext)`, made here with the package
`cryptography`.
"""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TABLES = """
CREATE TABLE owners (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE secrets (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE NOT NULL,
  value_encrypted TEXT,
  encryption_key_id TEXT DEFAULT 'default',
  last_rotated DATETIME,
  accessed_count INTEGER DEFAULT 0,
  created_by TEXT,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME,
  team TEXT DEFAULT 'core',
  owner_id INTEGER REFERENCES owners(id) ON DELETE CASCADE
);
CREATE TABLE secrets_audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  secret_id INTEGER REFERENCES secrets(id) ON DELETE SET NULL,
  secret_name TEXT,
  action TEXT NOT NULL,
  user_id TEXT,
  platform TEXT,
  success BOOLEAN,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE bindings (
  id INTEGER PRIMARY KEY,
  secret_id INTEGER NOT NULL REFERENCES secrets(id) ON DELETE CASCADE,
  service TEXT NOT NULL
);
CREATE TABLE changes (name TEXT, was TEXT);
CREATE INDEX secrets_by_team ON secrets (team);
CREATE TRIGGER secrets_changed AFTER UPDATE OF team ON secrets
BEGIN INSERT INTO changes VALUES (OLD.name, OLD.team); END;
"""

AWKWARD_NAMES = [
    "with space",
    "caf\u00e9",
    "\U0001f511",
    "a:b",
    "x" * 300,
    "line\nbreak",
    "quote'\"\\",
    "-",
    "..",
    "%_",
]


def encrypt(material: bytes, value: bytes) -> str:
    """As the bot did it."""
    iv = os.urandom(16)
    sealed = AESGCM(material).encrypt(iv, value, None)
    return base64.b64encode(iv + sealed[-16:] + sealed[:-16]).decode()


def decrypt(material: bytes, text: str) -> bytes:
    data = base64.b64decode(text)
    return AESGCM(material).decrypt(data[:16], data[32:] + data[16:32], None)


@dataclass
class OldBot:
    """What is in the database."""

    path: Path
    material: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    values: dict[str, bytes | None] = field(default_factory=dict)
    """By name; `None` where the column is NULL."""
    audit_rows: int = 0

    @property
    def key_text(self) -> str:
        return base64.b64encode(self.material).decode()

    def create(self, rows: int = 1000) -> OldBot:
        """Fills the file and leaves as a process that was killed: without a checkpoint of the write-ahead log."""
        filling = self.path.with_name("filling.db")
        names = [*AWKWARD_NAMES, *[f"SECRET_{index:05}" for index in range(rows - len(AWKWARD_NAMES))]]
        for index, name in enumerate(names):
            text = f"value of {index} {secrets.token_hex(8)} \u20ac".encode()
            self.values[name] = None if index % 97 == 50 else text
        with sqlite3.connect(filling) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.executescript(TABLES)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.executemany("INSERT INTO owners VALUES (?, ?)", [(1, "alice"), (2, "bob")])
            for index, (name, value) in enumerate(self.values.items()):
                self._insert(connection, index, name, value)
        # Closing would empty the log into the file.
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{filling}{suffix}", f"{self.path}{suffix}")
        connection.close()
        filling.unlink()
        return self

    def _insert(self, connection: sqlite3.Connection, index: int, name: str, value: bytes | None) -> None:
        # Instants in the three forms that such programs write, and none at all.
        instants = ["2025-03-04 05:06:07", 1_741_064_767, 1_741_064_767_123, None]
        instant = instants[index % len(instants)]
        row = (
            name,
            None if value is None else encrypt(self.material, value),
            instant,
            None if index % 11 == 0 else index % 7,
            None if index % 13 == 0 else "alice",
            instant,
            None if index % 3 else "ops",
            1 + index % 2,
        )
        secret_id = connection.execute(
            "INSERT INTO secrets (name, value_encrypted, last_rotated, accessed_count, created_by, created_at, team,"
            " owner_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        ).lastrowid
        audit = (secret_id, name, "set", "alice", "telegram", 1)
        connection.execute(
            "INSERT INTO secrets_audit (secret_id, secret_name, action, user_id, platform, success)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            audit,
        )
        self.audit_rows += 1
        if index % 10 == 0:
            connection.execute("INSERT INTO bindings (secret_id, service) VALUES (?, 'api')", [secret_id])
