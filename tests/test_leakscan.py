"""The leak scanner is shown to catch planted leaks: one that finds nothing anywhere would pass every test."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from leakscan import PIECE, SHOWN, Scanner, make_canary

LEAKS: dict[str, Callable[[str], str | bytes]] = {
    "plain": lambda canary: f"value={canary}!",
    "bytes": lambda canary: b"\x00" + canary.encode() + b"\xff",
    "json": lambda canary: json.dumps({"value": canary}),
    "repr": lambda canary: repr({"value": canary.encode()}),
    "hex": lambda canary: canary.encode().hex(),
    "HEX": lambda canary: canary.encode().hex().upper(),
    "utf-16-le": lambda canary: canary.encode("utf-16-le"),
    "utf-16-be": lambda canary: canary.encode("utf-16-be"),
    "its last characters": lambda canary: canary[-PIECE:],
    "its middle": lambda canary: canary[SHOWN + 3 : SHOWN + 3 + PIECE],
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_found(leak: str) -> None:
    canary = make_canary()
    assert Scanner(canary).find("here", LEAKS[leak](canary))


@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("after", range(3))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_found_in_every_alignment(before: int, after: int, encode: Callable[[bytes], bytes]) -> None:
    for _ in range(50):
        canary = secrets.token_bytes(SHOWN + PIECE)
        leaked = encode(secrets.token_bytes(before) + canary + secrets.token_bytes(after))
        assert Scanner(canary).find("here", leaked), (canary, leaked)


def test_a_leak_in_a_file_or_in_its_name_is_found(tmp_path: Path) -> None:
    canary = make_canary()
    scanner = Scanner(canary)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "innocent").write_bytes(b"nothing to see")
    assert scanner.find_in_tree(tmp_path) == []
    (tmp_path / "deep" / "log").write_bytes(b"x" * 5000 + canary.encode())
    assert {leak.encoding for leak in scanner.find_in_tree(tmp_path)} == {"plain"}
    (tmp_path / "deep" / "log").unlink()
    (tmp_path / canary).touch()
    assert scanner.find_in_tree(tmp_path)


def test_what_a_mask_may_show_is_no_leak() -> None:
    canary = make_canary()
    assert Scanner(canary).find("here", f"{canary[:SHOWN]}****") == []
    assert Scanner(canary).find("here", canary[:8] + "...") == []


def test_other_text_is_no_leak() -> None:
    assert Scanner(make_canary()).find("here", make_canary(100_000)) == []


def test_a_canary_that_chance_could_make_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        Scanner("hunter2")
