"""An independent verifier of checkpoints, written from c2sp.org/signed-note and docs/format.md, on `cryptography`.

As a module: `open_note(note, verifier)`, `open_checkpoint(text, verifier)`. As a command, with the verifier as its
argument and a checkpoint on its standard input, it prints what the checkpoint attests as JSON, or fails.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

DASH = "\N{EM DASH} "
ED25519 = b"\x01"


class RefusedError(Exception):
    """A note that nobody can rely on; the message says why."""


def key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def read_verifier(text: str) -> tuple[str, bytes, bytes]:
    """The name, the key id and the public key of a verifier."""
    name, digits, encoded = text.split("+", 2)
    key = base64.b64decode(encoded, validate=True)
    if key[:1] != ED25519 or len(key) != 33 or key_id(name, key[1:]).hex() != digits:
        raise RefusedError("the verifier is none")
    return name, key[1:], bytes.fromhex(digits)


def open_note(note: str, verifier: str) -> str:
    """The text of a note that the verifier's key signed, with its last newline."""
    name, public, known_id = read_verifier(verifier)
    if any(ord(letter) < 0x20 and letter != "\n" for letter in note):
        raise RefusedError("a control character")
    text, separator, lines = note.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise RefusedError("no signature")
    text += "\n"
    signed = False
    for line in lines[:-1].split("\n"):
        dash, signer, encoded = line[: len(DASH)], *line[len(DASH) :].split(" ")
        if dash != DASH or not signer:
            raise RefusedError("a signature line cannot be read")
        signature = base64.b64decode(encoded, validate=True)
        if signer != name or signature[:4] != known_id:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], text.encode())
        except InvalidSignature:
            raise RefusedError("the signature does not verify") from None
        signed = True
    if not signed:
        raise RefusedError("the verifier's key did not sign it")
    return text


def open_checkpoint(text: str, verifier: str) -> dict[str, Any]:
    """What a checkpoint attests: the vault, the time, and for each stream its last event's place and MAC."""
    note, separator, leaves = text.rpartition("\n\n")
    if not separator:
        raise RefusedError("no leaves")
    origin, vault_id, at, count, digest = open_note(note + "\n", verifier).splitlines()
    if origin != "strongroom/v1/checkpoint":
        raise RefusedError("not a checkpoint")
    if hashlib.sha256(leaves.encode()).hexdigest() != digest:
        raise RefusedError("the leaves are not those that were signed")
    streams = {stream: [int(seq), mac] for stream, seq, mac in (line.split(" ") for line in leaves.splitlines())}
    if len(streams) != int(count) or list(streams) != sorted(streams):
        raise RefusedError("the leaves are not those that were counted")
    return {"vault_id": vault_id, "at": int(at), "streams": streams}


def sign_note(text: str, name: str, seed: bytes) -> tuple[str, str]:
    """A note of a text, and its verifier."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    own_id = key_id(name, public)
    line = DASH + name + " " + base64.b64encode(own_id + key.sign(text.encode())).decode()
    return f"{text}\n{line}\n", f"{name}+{own_id.hex()}+{base64.b64encode(ED25519 + public).decode()}"


def main() -> None:
    print(json.dumps(open_checkpoint(sys.stdin.read(), sys.argv[1])))


if __name__ == "__main__":
    main()
