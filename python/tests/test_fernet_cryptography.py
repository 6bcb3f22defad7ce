"""The tests that `cryptography` 50.0.2 has for its own Fernet, over ours: the file as published, one import changed."""

from __future__ import annotations

import json
from pathlib import Path

import cryptography
import cryptography_vectors
import pytest

from fernet.with_our_import import run, source_of, with_our_import
from strongroom import fernet as ours

FILE = "cryptography_test_fernet.txt"
SHA256 = "d56636eceaf3f6b50aa2b311cdead4677ad0e10072c399e52fc4a09d80a06eb6"
VECTORS = Path(__file__).parents[2] / "core" / "tests" / "vectors"

_theirs = run(with_our_import(source_of(FILE, SHA256)), __name__, FILE)
TestFernet = _theirs["TestFernet"]
TestMultiFernet = _theirs["TestMultiFernet"]


def test_they_run_over_ours() -> None:
    for name in ours.__all__:
        assert _theirs[name] is getattr(ours, name)
    # The versions whose tests, code and vectors belong together.
    assert cryptography.__version__ == cryptography_vectors.__version__ == "50.0.2"


@pytest.mark.parametrize(("name", "count"), [("generate", 1), ("verify", 1), ("invalid", 8)])
def test_their_vectors_are_those_that_the_core_is_tested_with(name: str, count: int) -> None:
    with cryptography_vectors.open_vector_file(f"fernet/{name}.json", "rb") as file:
        vectors = file.read()
    assert vectors == (VECTORS / f"fernet_{name}.json").read_bytes()
    assert len(json.loads(vectors)) == count
