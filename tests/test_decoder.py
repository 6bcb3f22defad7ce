"""The independent decoders over our own vectors: sealed v1, as a module and as a command, and wrapped keyrings."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
DECODER = ROOT / "tests" / "decoder" / "sealed_v1.py"
OWN = ROOT / "core" / "tests" / "own"


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def is_sealed(case: dict[str, Any]) -> bool:
    return str(case.get("token", "")).startswith("sr1.")


def sealed_cases() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path in sorted(OWN.glob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
            if is_sealed(case):
                found.append((f"{path.stem}: {case['name']}", case))
    return found


def request_of(case: dict[str, Any]) -> dict[str, Any]:
    return {"key_hex": case["keys"], "token": case["token"], "context": case.get("context")}


def expected_of(case: dict[str, Any]) -> dict[str, str]:
    outcome = case["outcome"]
    return {"error": outcome["error"]} if "error" in outcome else {"plaintext_hex": outcome["plaintext"]}


CASES = sealed_cases()
decoder = load(DECODER)
wrapped = load(DECODER.with_name("wrapped_keyring.py"))


def test_no_case_was_lost() -> None:
    opened = [name for name, case in CASES if "plaintext" in case["outcome"]]
    assert len(CASES) >= 97
    assert len(opened) >= 35


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])
def test_the_decoder_agrees(case: dict[str, Any]) -> None:
    assert decoder.answer(request_of(case)) == expected_of(case)


def test_the_command_answers_line_by_line() -> None:
    lines = "".join(json.dumps(request_of(case)) + "\n" for _, case in CASES)
    run = subprocess.run(  # our own file, no shell
        [sys.executable, str(DECODER)], input=lines, capture_output=True, text=True, check=True, timeout=60
    )
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert answers == [expected_of(case) for _, case in CASES]


def test_a_single_key_may_be_given_as_text() -> None:
    case = next(case for _, case in CASES if "plaintext" in case["outcome"] and len(case["keys"]) == 1)
    assert decoder.answer(request_of(case) | {"key_hex": case["keys"][0]}) == expected_of(case)


@pytest.mark.parametrize("context", [{"purpose": "other"}, {"unknown": "x"}])
def test_a_context_that_is_not_understood_is_an_error_and_not_a_refusal(context: dict[str, str]) -> None:
    case = CASES[0][1]
    with pytest.raises((TypeError, ValueError)):
        decoder.answer(request_of(case) | {"context": context})


def test_xaes_256_gcm_opens_the_vectors_of_c2sp() -> None:
    nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX"
    for key, additional_data, sealed in [
        (b"\x01", b"", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        (b"\x03", b"c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
    ]:
        opened = decoder.xaes_256_gcm_open(key * 32, nonce, bytes.fromhex(sealed), additional_data)
        assert opened == b"XAES-256-GCM"


WRAPPED = [
    (f"{path.stem}: {case['name']}", case)
    for path in sorted(OWN.glob("wrapped_keyring*.json"))
    for case in json.loads(path.read_text(encoding="utf-8"))["cases"]
]


def test_no_wrapped_keyring_was_lost() -> None:
    assert len(WRAPPED) >= 70
    assert len([name for name, case in WRAPPED if "keys" in case["outcome"]]) >= 8


@pytest.mark.parametrize("case", [case for _, case in WRAPPED], ids=[name for name, _ in WRAPPED])
def test_the_reader_of_wrapped_keyrings_agrees(case: dict[str, Any]) -> None:
    assert wrapped.answer(case) == case["outcome"]
