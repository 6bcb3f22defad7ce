"""Checkpoints between strongroom and the independent verifier, which knows the specifications alone."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from datetime import datetime, timezone

import pytest
from strongroom import Checkpoint, Keyring, SigningKey, StrongroomError, Vault
from strongroom.stores import MemoryStore

from test_decoder import DECODER, load

notes = load(DECODER.with_name("signed_note.py"))
NAME = "example.com/vault"
# RFC 8032, section 7.1, test 1.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
VAULT_ID, MAC = "ab" * 16, "0c" * 32


def made(head: str | None = None, leaves: str = f"vault 3 {MAC}\n") -> tuple[str, str]:
    """A checkpoint that strongroom had no part in, and its verifier."""
    digest = hashlib.sha256(leaves.encode()).hexdigest()
    head = head or f"strongroom/v1/checkpoint\n{VAULT_ID}\n1765108800007\n1\n{digest}\n"
    note, verifier = notes.sign_note(head, NAME, SEED)
    return f"{note}\n{leaves}", verifier


def test_the_verifier_reads_what_strongroom_signed() -> None:
    vault = Vault(Keyring.generate(), MemoryStore())
    vault.set("A", "value", actor="alice")
    vault.get("A", actor="alice")
    key = SigningKey.generate(name=NAME)
    kept = vault.checkpoint(actor="alice", signing_key=key)
    found = notes.open_checkpoint(kept, key.verifier())
    own = Checkpoint.parse(kept, verifiers=[key.verifier()])
    assert (found["vault_id"], len(found["streams"])) == (own.vault_id, own.streams)
    assert own.at == datetime.fromtimestamp(found["at"] / 1000, timezone.utc)
    events = [json.loads(line) for line in vault.export_audit(actor="alice")]
    macs = {(event["stream"], event["seq"]): event["mac"] for event in events}
    assert all(macs[stream, seq] == mac for stream, (seq, mac) in found["streams"].items())


def test_it_runs_as_a_command() -> None:
    text, verifier = made()
    command = [sys.executable, str(DECODER.with_name("signed_note.py")), verifier]
    shown = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    assert json.loads(shown) == {"vault_id": VAULT_ID, "at": 1765108800007, "streams": {"vault": [3, MAC]}}


def test_strongroom_reads_what_others_signed() -> None:
    text, verifier = made()
    read = Checkpoint.parse(text, verifiers=[verifier])
    assert (read.vault_id, read.streams) == (VAULT_ID, 1)
    assert read.at == datetime(2025, 12, 7, 12, 0, 0, 7000, timezone.utc)


def test_the_key_of_rfc_8032_has_the_public_key_that_it_has_there() -> None:
    checksum = hashlib.sha256(b"strongroom/v1/signing-key-text" + SEED).digest()[:4]
    encoded = notes.base64.urlsafe_b64encode(SEED + checksum).decode().rstrip("=")
    key = SigningKey.parse(f"srs1.{encoded}", name=NAME)
    assert key.verifier() == made()[1]
    public = notes.read_verifier(key.verifier())[1]
    assert public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def test_both_refuse_a_character_that_was_changed() -> None:
    text, verifier = made()
    for at, letter in list(enumerate(text))[::11]:
        altered = text[:at] + ("1" if letter != "1" else "2") + text[at + 1 :]
        with pytest.raises(StrongroomError) as refused:
            Checkpoint.parse(altered, verifiers=[verifier])
        assert refused.value.code == "BACKUP_INVALID"
        with pytest.raises((notes.RefusedError, ValueError)):
            notes.open_checkpoint(altered, verifier)


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "\n\n",
        "\n\n\n\n",
        "x" * 300_000 + "\n\n",
        "strongroom/v1/checkpoint\n\n\n",
        made()[0].replace("\n", "\r\n"),
        made()[0].replace("\n\n", "\n"),
        made()[0] + "trailing",
        made()[0] + "\n",
        made()[0] * 2,
        made()[0].replace("—", "--"),
        made(leaves="")[0],
        made(head="strongroom/v2/checkpoint\n")[0],
        made(leaves=f"vault 3 {MAC}\nvault 3 {MAC}\n")[0],
        made(leaves=f"va\u2028ult 3 {MAC}\n")[0],
        "\0",
    ],
)
def test_hostile_texts_are_refused_with_a_reason(hostile: str) -> None:
    with pytest.raises(StrongroomError) as refused:
        Checkpoint.parse(hostile, verifiers=[made()[1]])
    assert refused.value.code == "BACKUP_INVALID"
    assert "the checkpoint cannot be relied on: " in str(refused.value)


def test_verifiers_are_needed_and_must_be_some() -> None:
    text, verifier = made()
    for given in ([], ["nobody"], [verifier + "A"], [verifier.replace("example", "another")]):
        with pytest.raises(StrongroomError) as refused:
            Checkpoint.parse(text, verifiers=given)
        assert refused.value.code == "INVALID_ARGUMENT"
    other = SigningKey.generate(name=NAME).verifier()
    with pytest.raises(StrongroomError, match="none of the given verifiers"):
        Checkpoint.parse(text, verifiers=[other])
    assert Checkpoint.parse(text, verifiers=[other, verifier]).streams == 1
