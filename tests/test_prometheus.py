"""Metrics and alerts as Prometheus takes them: the pages of all hosts, and docs/prometheus by promtool."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts.process import LANGUAGES, Host, RefusedError, program

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "prometheus"
PAGE = ROOT / "docs" / "metrics.md"
KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
# As an old program wrote it under that key: nobody knows since when its value is there.
OLD_ROW = {
    "revision": 0,
    "columns": {
        "value_encrypted": "OqyJCk9WliU3WlhvJebRVl652jBFtdei8j1AcAcerdlnfgSJ2KMqo3WIwxo=",
        "encryption_key_id": "default",
        "created_by": "old-bot",
        "created_at": 1700000000000,
    },
    "data": "{}",
    "mac": None,
    "counters": {"accessed_count": 7, "last_accessed": None},
}
# What comes of the work below: that which is not nothing, but for instants.
COUNTS = {
    'secret_access_total{result="success"}': 9,
    'secret_access_total{result="denied"}': 2,
    'secret_access_total{result="error"}': 2,
    "secret_validation_errors_total": 1,
    "emergency_rotation_total": 1,
    'errors_total{code="NAME_INVALID"}': 1,
    'errors_total{code="PERMISSION_DENIED"}': 2,
    'errors_total{code="SECRET_NOT_FOUND"}': 1,
    'events_total{action="get",result="denied"}': 2,
    'events_total{action="get",result="error"}': 1,
    'events_total{action="get",result="success"}': 4,
    'events_total{action="get_many",result="success"}': 3,
    'events_total{action="init",result="success"}': 1,
    'events_total{action="rotate",result="success"}': 1,
    'events_total{action="rotation_status",result="success"}': 1,
    'events_total{action="set",result="error"}': 1,
    'events_total{action="set",result="success"}': 2,
    'events_total{action="verify",result="denied"}': 1,
}


def promtool(*arguments: str, page: str | None = None) -> str:
    """What promtool says. Fails where it finds anything wrong."""
    command = shutil.which("promtool")
    assert command is not None, "promtool is missing: run scripts/setup.sh services"
    done = subprocess.run([command, *arguments], input=page, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=LANGUAGES)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    host = Host(request.param, program(request.param))
    yield host
    host.close()


def work(host: Host) -> None:
    """Real operations, some of them denied, some of them failing."""
    rows: dict[str, list[Any]] = {"records": [], "events": []}
    host.ask("open", key=KEY, options={"actors": ["alice"]}, rows=rows, page=None)
    made = {"generate": "hex", "generator": "hex", "actor": "alice"}
    host.ask("set", name="A", **made)
    host.ask("set", name="B", namespace="nexus", sensitivity="critical", **made)
    host.ask("get", name="A", actor="alice")
    host.ask("get_many", names=["A"], actor="alice")
    host.ask("get_many", names=["B"], namespace="nexus", actor="alice")
    host.ask("verify", name="A", value=b"wrong".hex(), actor="alice")
    for name, actor in [("A", "mallory"), ("B", "mallory"), ("MISSING", "alice")]:
        with pytest.raises(RefusedError):
            host.ask("get", name=name, actor=actor)
    with pytest.raises(RefusedError):
        host.ask("set", name="two words", value=b"x".hex(), actor="alice")
    host.ask("get_many", names=["A"], actor="alice")
    host.ask("emergency_rotate", name="A", limit=5, actor="alice")
    host.ask("rotation_status", ahead_millis=0, actor="alice")


def samples(page: str) -> dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in page.rstrip("\n").split("\n") if not line.startswith("#")]
    assert len({name for name, _ in lines}) == len(lines)
    return {name.removeprefix("strongroom_"): float(value) for name, value in lines}


def families(page: str) -> set[str]:
    return set(re.findall(r"^# TYPE strongroom_(\w+) (?:counter|gauge)$", page, re.MULTILINE))


def test_every_host_counts_the_same_and_promtool_finds_nothing_wrong(host: Host) -> None:
    work(host)
    page = host.ask("metrics", prefix="strongroom")
    assert promtool("check", "metrics", page=page) == ""
    assert promtool("check", "metrics", page=host.ask("metrics", prefix="hyperbun")) == ""
    instants = re.compile(r"secret_rotation_(due_)?timestamp_seconds|rotation_checked_timestamp_seconds")
    found = samples(page)
    assert {name: value for name, value in found.items() if value and not instants.match(name)} == COUNTS
    assert [name for name in found if name.startswith("secret_rotation_due")] == [
        'secret_rotation_due_timestamp_seconds{namespace="default",name="A"}',
        'secret_rotation_due_timestamp_seconds{namespace="nexus",name="B"}',
    ]
    assert families(page) == told_by_the_page()
    assert named_by_the_alerts() <= families(page)


def test_names_of_an_adopted_store_stay_within_their_labels(host: Host) -> None:
    names = ['a"} 1\nforged_total{b="c', "back\\slash\\", "\u00e9\t\U0001f512 {},="]
    records = [{**OLD_ROW, "key": {"kind": "secret", "namespace": "default", "name": name}} for name in names]
    host.ask("open", key=KEY, options={}, rows={"records": records, "events": []}, page=None)
    host.ask("rotation_status", ahead_millis=0, actor="alice")
    page = host.ask("metrics", prefix="strongroom")
    assert promtool("check", "metrics", page=page) == ""
    assert "\nforged" not in page
    assert samples(page)["secrets_overdue"] == 3
    labels = {text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for text in names}
    named = r'strongroom_secret_rotation_due_timestamp_seconds{namespace="default",name="(.*)"} 0.000'
    assert set(re.findall(named, page)) == labels


def test_a_prefix_that_is_none_is_refused(host: Host) -> None:
    work(host)
    with pytest.raises(RefusedError, match="INVALID_ARGUMENT"):
        host.ask("metrics", prefix="9 lives")


def test_the_alerts_are_the_ones_by_name_and_severity_and_do_what_their_tests_say(tmp_path: Path) -> None:
    assert "SUCCESS: 7 rules found" in promtool("check", "rules", str(FOLDER / "alerts.yml"))
    promtool("test", "rules", str(FOLDER / "alerts_test.yml"))
    rules = (FOLDER / "alerts.yml").read_text()
    severities = dict(re.findall(r"- alert: (\w+)\n(?:.*\n)*?\s+severity: (\w+)\n", rules))
    assert severities == {
        "UnauthorizedSecretAccess": "critical",
        "SecretRotationOverdue": "high",
        "SecretValidationErrors": "medium",
        "EmergencyRotationExecuted": "critical",
        "ManySecretReads": "high",
        "DeniedAccessBurst": "critical",
        "FirstSecretReader": "medium",
    }
    told = dict(re.findall(r"^\| `(\w+)` \| (critical|high|medium) \|", PAGE.read_text(), re.MULTILINE))
    assert told == severities
    # Every one of them is put to the test, and an alert that is broken is found.
    tests = (FOLDER / "alerts_test.yml").read_text()
    for alert in severities:
        assert f"alertname: {alert}\n" in tests
    (tmp_path / "alerts_test.yml").write_text(tests)
    for whole, broken in [
        ("> 0\n", "> 9\n"),
        (">= 0\n", ">= 60\n"),
        ('"denied"', '"error"'),
        ("offset 5m", "offset 0m"),
    ]:
        assert whole in rules
        (tmp_path / "alerts.yml").write_text(rules.replace(whole, broken))
        with pytest.raises(AssertionError):
            promtool("test", "rules", str(tmp_path / "alerts_test.yml"))


def named_by_the_alerts() -> set[str]:
    named = set(re.findall(r"strongroom_(\w+)", (FOLDER / "alerts.yml").read_text()))
    assert len(named) >= 5
    return named


def told_by_the_page() -> set[str]:
    """The metrics that docs/metrics.md has in its table."""
    return set(re.findall(r"^\| `strongroom_(\w+)` \|", PAGE.read_text(), re.MULTILINE))
