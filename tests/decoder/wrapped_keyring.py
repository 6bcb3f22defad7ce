"""An independent reader of wrapped keyrings, written from docs/format.md alone, on the package `cryptography`.

`open_wrapped(text, passphrase=...)` or `open_wrapped(text, data_key=...)` gives the keys: dictionaries of `id`,
`state`, `label`, `created_at` and `material`. As a command: one JSON object a line in, one a line out.

    {"text": "srw1...", "passphrase": ".."} or {"text": "srw1...", "data_key": "hex"}
    {"keys": [{"id": "hex", "state": "primary", "label": null, "created_at": "1700000000000", "material": "hex"}]}
    or {"error": "NOT_AUTHENTIC"}
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

sys.path.insert(0, str(Path(__file__).resolve().parent))

from sealed_v1 import (
    Context,
    RefusedError,
    canonical,
    derive,
    derive_key_id,
    from_base64url,
    xaes_256_gcm_open,
)

PREFIX = "srw1."
TEXT_MAX, WRAPS_MAX, KEYS_MAX, LABEL_MAX, OPAQUE_MAX = 1024 * 1024, 32, 1000, 128, 8192
MEMORY_KIB, PASSES, LANES = range(8192, 262144 + 1), range(1, 17), range(1, 17)
STATES = ("primary", "enabled", "disabled", "destroyed")
CUT = RefusedError("KEY_INVALID")


class Fields:
    """The fields of a canonical message, taken one by one."""

    def __init__(self, message: bytes, domain: str) -> None:
        self.rest = message
        if self.octets() != domain.encode():
            raise CUT

    def optional(self) -> bytes | None:
        mark, self.rest = self.rest[:1], self.rest[1:]
        if mark == b"\x00":
            return None
        length = int.from_bytes(self.rest[:8], "big")
        if mark != b"\x01" or len(self.rest) < 8 + length:
            raise CUT
        value, self.rest = self.rest[8 : 8 + length], self.rest[8 + length :]
        return value

    def octets(self, *lengths: int) -> bytes:
        value = self.optional()
        if value is None or (lengths and len(value) not in lengths):
            raise CUT
        return value

    def integer(self) -> int:
        return int.from_bytes(self.octets(8), "big")

    def text(self) -> str:
        return utf8(self.octets())


def utf8(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise CUT from None


def checked_label(label: str) -> str:
    is_control = any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in label)
    if not 1 <= len(label.encode()) <= LABEL_MAX or is_control:
        raise CUT
    return label


def open_sealed_with(material: bytes, octets: bytes, associated_data: bytes | None) -> bytes | None:
    """The plaintext of sealed v1 octets under one key, for the purpose `wrap`."""
    key_id = derive_key_id(material)
    if octets[:32] != key_id:
        return None
    context = Context(purpose="wrap", associated_data=associated_data)
    try:
        return xaes_256_gcm_open(
            derive(material, "strongroom/v1/seal"), octets[32:56], octets[56:], context.encode(key_id)
        )
    except InvalidTag:
        return None


def sealed_octets(text: str) -> bytes:
    if not text.startswith("sr1."):
        raise CUT
    try:
        octets = from_base64url(text.removeprefix("sr1."))
    except RefusedError:
        raise CUT from None
    if len(octets) < 72:
        raise CUT
    return octets


def read_document(text: str) -> tuple[bytes, list[dict[str, Any]]]:
    """The sealed keyring and its wraps."""
    text = text.strip(" \t\n\r\f")
    if len(text.encode()) > TEXT_MAX:
        raise RefusedError("LIMIT_EXCEEDED")
    if not text.startswith(PREFIX):
        raise CUT
    try:
        octets = from_base64url(text.removeprefix(PREFIX))
    except RefusedError:
        raise CUT from None
    message, checksum = octets[:-32], octets[-32:]
    if len(octets) < 32 or hashlib.sha256(message).digest() != checksum:
        raise CUT
    fields = Fields(message, "strongroom/v1/wrapped-keyring")
    sealed = sealed_octets(fields.text())
    count = fields.integer()
    if count > WRAPS_MAX:
        raise RefusedError("LIMIT_EXCEEDED")
    wraps: list[dict[str, Any]] = []
    for _ in range(count):
        kind = fields.text()
        wrap: dict[str, Any] = {"label": checked_label(fields.text())}
        if any(other["label"] == wrap["label"] for other in wraps):
            raise CUT
        if kind == "passphrase":
            cost = [fields.integer() for _ in range(3)]
            if not all(number in allowed for number, allowed in zip(cost, (MEMORY_KIB, PASSES, LANES), strict=True)):
                raise RefusedError("LIMIT_EXCEEDED")
            wrap |= {"cost": cost, "salt": fields.octets(16), "sealed": sealed_octets(fields.text())}
        elif kind == "host":
            wrap["opaque"] = fields.octets(*range(1, OPAQUE_MAX + 1))
        else:
            raise CUT
        wraps.append(wrap)
    if not wraps or fields.rest:
        raise CUT
    return sealed, wraps


def read_keyring(blob: bytes) -> list[dict[str, Any]]:
    fields = Fields(blob, "strongroom/v1/keyring")
    count = fields.integer()
    if count > KEYS_MAX:
        raise RefusedError("LIMIT_EXCEEDED")
    keys: list[dict[str, Any]] = []
    for _ in range(count):
        key: dict[str, Any] = {"id": fields.octets(32).hex(), "state": fields.text()}
        label, created_at = fields.optional(), fields.optional()
        key["label"] = None if label is None else checked_label(utf8(label))
        if created_at is not None and len(created_at) != 8:
            raise CUT
        key["created_at"] = None if created_at is None else str(int.from_bytes(created_at, "big", signed=True))
        if key["state"] not in STATES or any(other["id"] == key["id"] for other in keys):
            raise CUT
        keys.append(key)
    if [key["state"] for key in keys].count("primary") != 1:
        raise CUT
    rest = fields.rest
    for key in keys:
        key["material"] = None
        if key["state"] != "destroyed":
            material, rest = rest[:32], rest[32:]
            if len(material) != 32 or derive_key_id(material).hex() != key["id"]:
                raise CUT
            key["material"] = material.hex()
    if rest:
        raise CUT
    return keys


def open_wrapped(text: str, *, passphrase: str | None = None, data_key: bytes | None = None) -> list[dict[str, Any]]:
    """The keys of a wrapped keyring."""
    sealed, wraps = read_document(text)
    if passphrase is not None:
        phrases = [wrap for wrap in wraps if "salt" in wrap]
        if not phrases:
            raise RefusedError("UNSUPPORTED")
        for wrap in phrases:
            memory_kib, passes, lanes = wrap["cost"]
            kdf = Argon2id(salt=wrap["salt"], length=32, iterations=passes, lanes=lanes, memory_cost=memory_kib)
            bound = canonical("strongroom/v1/wrap/passphrase", sealed[:32], wrap["label"], *wrap["cost"], wrap["salt"])
            data_key = open_sealed_with(kdf.derive(passphrase.encode()), wrap["sealed"], bound)
            if data_key is not None:
                break
    blob = None if data_key is None or len(data_key) != 32 else open_sealed_with(data_key, sealed, None)
    if blob is None:
        raise RefusedError("NOT_AUTHENTIC")
    return read_keyring(blob)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    data_key = request.get("data_key")
    try:
        keys = open_wrapped(
            request["text"],
            passphrase=request.get("passphrase"),
            data_key=None if data_key is None else bytes.fromhex(data_key),
        )
    except RefusedError as refused:
        return {"error": str(refused)}
    return {"keys": keys}


if __name__ == "__main__":
    for line in sys.stdin.buffer:
        if line.strip():
            print(json.dumps(answer(json.loads(line))), flush=True)
