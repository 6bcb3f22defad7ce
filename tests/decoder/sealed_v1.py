"""An independent decoder of sealed v1, written from docs/format.md alone, on the package `cryptography`.

As a module: `open_sealed(token, keys, context)`. As a command: one JSON object a line in, one a line out.

    {"key_hex": "00..", "token": "sr1...", "context": {"purpose": "data", "associated_data": "7573.."}}
    {"plaintext_hex": ".."} or {"error": "NOT_AUTHENTIC"}

`key_hex` may be a list. In a context octets are hex, a version is a decimal string (so that no host loses
digits of it), and null is absent. Without a context, it is that of data without associated data.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PREFIX = "sr1."
ID_LEN, NONCE_LEN, TAG_LEN = 32, 24, 16
PURPOSES = ("data", "secret", "pending", "vault-root", "wrap")


class RefusedError(Exception):
    """A value that does not open; the message is the error code."""


@dataclass(frozen=True)
class Context:
    """Where a value belongs. `None` is an absent field."""

    purpose: str = "data"
    vault_id: bytes | None = None
    namespace: str | None = None
    name: str | None = None
    uid: bytes | None = None
    version: int | None = None
    associated_data: bytes | None = None

    @staticmethod
    def from_json(fields: dict[str, Any]) -> Context:
        decoded = dict(fields)
        for name in ("vault_id", "uid", "associated_data"):
            if fields.get(name) is not None:
                decoded[name] = bytes.fromhex(fields[name])
        if fields.get("version") is not None:
            decoded["version"] = int(fields["version"])
        context = Context(**decoded)
        if context.purpose not in PURPOSES:
            raise ValueError("the purpose is not known")
        return context

    def encode(self, key_id: bytes) -> bytes:
        """The associated data of the cipher."""
        return canonical(
            "sr1",
            key_id,
            self.purpose,
            self.vault_id,
            self.namespace,
            self.name,
            self.uid,
            self.version,
            self.associated_data,
        )


def canonical(domain: str, *fields: bytes | str | int | None) -> bytes:
    """The canonical encoding of a message."""
    encoded = b""
    for field in (domain, *fields):
        if field is None:
            encoded += b"\x00"
            continue
        if isinstance(field, int):
            value = field.to_bytes(8, "big")
        else:
            value = field.encode() if isinstance(field, str) else field
        encoded += b"\x01" + len(value).to_bytes(8, "big") + value
    return encoded


def derive(material: bytes, info: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=info.encode()).derive(material)


def derive_key_id(material: bytes) -> bytes:
    return derive(material, "strongroom/v1/key-id")


def xaes_256_gcm_open(key: bytes, nonce: bytes, sealed: bytes, additional_data: bytes) -> bytes:
    """XAES-256-GCM of C2SP: AES-256-GCM under a key that is derived from the first half of the nonce."""
    derived = b""
    for counter in (1, 2):
        prf = CMAC(AES(key))
        prf.update(bytes([0, counter, 0x58, 0]) + nonce[:12])
        derived += prf.finalize()
    return AESGCM(derived).decrypt(nonce[12:], sealed, additional_data)


def from_base64url(text: str) -> bytes:
    """Strict: no padding, nothing outside the alphabet, unused bits zero."""
    if re.fullmatch(r"[A-Za-z0-9_-]*", text, re.ASCII) is None or len(text) % 4 == 1:
        raise RefusedError("TOKEN_MALFORMED")
    decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != text:
        raise RefusedError("TOKEN_MALFORMED")
    return decoded


def open_sealed(token: str, keys: Sequence[bytes], context: Context) -> bytes:
    """The plaintext of a sealed v1 text under the one of the keys that it names, in its context."""
    if not token.startswith(PREFIX):
        raise RefusedError("TOKEN_MALFORMED")
    octets = from_base64url(token.removeprefix(PREFIX))
    if len(octets) < ID_LEN + NONCE_LEN + TAG_LEN:
        raise RefusedError("TOKEN_MALFORMED")
    key_id, nonce, sealed = octets[:ID_LEN], octets[ID_LEN : ID_LEN + NONCE_LEN], octets[ID_LEN + NONCE_LEN :]
    for material in keys:
        if derive_key_id(material) == key_id:
            seal_key = derive(material, "strongroom/v1/seal")
            try:
                return xaes_256_gcm_open(seal_key, nonce, sealed, context.encode(key_id))
            except InvalidTag:
                raise RefusedError("NOT_AUTHENTIC") from None
    raise RefusedError("KEY_UNKNOWN")


def answer(request: dict[str, Any]) -> dict[str, str]:
    key_hex = request["key_hex"]
    keys = [bytes.fromhex(text) for text in ([key_hex] if isinstance(key_hex, str) else key_hex)]
    try:
        opened = open_sealed(request["token"], keys, Context.from_json(request.get("context") or {}))
    except RefusedError as refused:
        return {"error": str(refused)}
    return {"plaintext_hex": opened.hex()}


if __name__ == "__main__":
    for line in sys.stdin.buffer:
        if line.strip():
            print(json.dumps(answer(json.loads(line))), flush=True)
