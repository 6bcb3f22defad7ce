"""Transcripts: what an operation asks, is answered and gives, byte for byte the same in all four hosts.

A script (`transcripts/NAME.json`) is a list of operations, each at an instant; all randomness follows from its seed.
Its transcript (`transcripts/NAME.txt`) says for each of them: `>` the operation; `?` the time that the host told and
the request, as the native part wrote it; `<` the reply; `=` the result. `+` is a value that was given beside the reply
that follows, `-` one that went beside the request before. Every host must come to the one in the tree.

What else an operation runs on is its `host`: `{"env", "files", "created", "activated"}`, see `hosts/tape.py`.

`STRONGROOM_UPDATE=1 pytest tests/test_transcripts.py` writes them anew, as the Rust host comes to them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts.process import LANGUAGES, Host, RefusedError, transcript_program

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "transcripts"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.json"))
# As `begin` matches them: what is added there is to be run here.
OPERATIONS = set(
    re.findall(r'^        "([a-z_]+)" =>', (ROOT / "bindings" / "src" / "operation.rs").read_text(), re.MULTILINE)
)
OF_KEYRINGS = {"generate", "keys", "export", "encrypt"}
NOT_GIVEN = ("at", "as", "do", "faults", "host")
OF_THE_STAGE = {"metrics", "put", "reopen"}


@pytest.fixture(scope="module", params=LANGUAGES)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    host = Host(request.param, transcript_program(request.param))
    yield host
    host.close()


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def resolved(value: Any, told: dict[str, Any]) -> Any:
    """The argument of a step: what an earlier one was told stands as `{"told": [STEP, KEY...]}`."""
    if not isinstance(value, dict) or value.keys() != {"told"}:
        return value
    step, *path = value["told"]
    found = told[step]
    for key in path:
        # The step that was refused instead differs already, and that is what the failure has to say.
        found = "nothing was told" if found is None else found[key]
    return found


def arguments(step: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    given = {key: resolved(value, told) for key, value in step.items() if key not in NOT_GIVEN}
    if "octets" in given:
        given["value"] = given.pop("octets")
    elif "value" in given:
        given["value"] = given["value"].encode().hex()
    return given


def transcript(host: Host, script: dict[str, Any]) -> str:
    """What a script comes to in a host."""
    host.ask("fix_entropy", seed=script["seed"])
    if "key" in script:
        rows = script.get("rows", {"records": [], "events": []})
        host.ask("open", key=script["key"], options=script["options"], rows=rows, page=script["page"])
    told: dict[str, Any] = {}
    lines = []
    for step in script["steps"]:
        given = arguments(step, told)
        host.ask("clock", at=step["at"])
        if "actor" in given:
            host.ask("faults", faults=step.get("faults", {}))
            host.ask("host", **step.get("host", {}))
        try:
            result = {"told": host.ask(step["do"], **given)}
        except RefusedError as refused:
            result = {"refused": str(refused)}
        told[step.get("as", "")] = result.get("told")
        lines.append(f"> {canonical(step)}")
        if "actor" in given:
            lines += [line for taken in host.ask("taken") for line in said(*taken)]
        lines.append(f"= {canonical(result)}")
    return "".join(f"{line}\n" for line in lines)


def said(now: int, reply: Any, ask: str | None, given: list[str], shown: list[str]) -> Iterator[str]:
    """The lines of one step of a flow."""
    yield from (f"+ {canonical(value)}" for value in given)
    if reply is not None:
        yield f"< {canonical(reply)}"
    yield f"? {now} {ask or 'nothing more'}"
    yield from (f"- {canonical(value)}" for value in shown)


def expected(name: str) -> str:
    file = FOLDER / f"{name}.txt"
    return file.read_text() if file.exists() else ""


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_host_comes_to_the_same_transcript(host: Host, name: str) -> None:
    found = transcript(host, json.loads((FOLDER / f"{name}.json").read_text()))
    if host.language == "rust" and os.environ.get("STRONGROOM_UPDATE"):
        (FOLDER / f"{name}.txt").write_text(found)
    wanted, came = expected(name).splitlines(), found.splitlines()
    differs = next((at for at, (one, other) in enumerate(zip(wanted, came, strict=False)) if one != other), None)
    if differs is not None:
        # The first line that differs, for the whole would be too much to read.
        assert came[differs] == wanted[differs], f"line {differs + 1} of {name}.txt"
    assert len(came) == len(wanted), f"{name}.txt: run STRONGROOM_UPDATE=1 if that is wanted"


def test_another_seed_comes_to_another_transcript(host: Host) -> None:
    script = json.loads((FOLDER / "keyrings.json").read_text())
    assert transcript(host, {**script, "seed": script["seed"] + 1}) != expected("keyrings")


def test_the_scripts_leave_no_operation_and_no_fault_out() -> None:
    steps = [step for name in SCRIPTS for step in json.loads((FOLDER / f"{name}.json").read_text())["steps"]]
    assert {"set", "get", "exists", "rekey", "command"} < OPERATIONS
    assert {step["do"] for step in steps} - OF_THE_STAGE == OPERATIONS | OF_KEYRINGS
    faults = {fault for step in steps for faults in step.get("faults", {}).values() for fault in faults}
    assert faults == {"none", "throws", "lost", "failed", "conflict"}
    assert {step["format"] for step in steps if step["do"] == "encrypt"} == {"sealed", "node_gcm", "fernet"}
