"""Writes the page about the benchmarks from the raw rounds, and judges them."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from datetime import datetime, timezone
from math import floor
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

HEAD = """# Benchmarks

strongroom against what one would use instead. Written by `make bench`; do not edit.

```sh
make bench                  # builds for release, measures, writes this page
scripts/bench.sh --check    # the same, and fails when a target is missed
scripts/bench.sh --json     # the same, and keeps the raw rounds in target/bench/*.json
```

**The machine.** {machine}; {when}.

**How it is measured.** All sides of an operation run in one process and take turns, {rounds} rounds of them, each round
beginning with another side, after one that is not counted. A turn makes the number of calls that the table tells, each
with an input of its own: random values, the tokens of those, and for associated data another row each time. All sides
get the same values, and every token was opened before and compared with its value. The garbage collector runs between
turns or not at all. Time is the processor time of the thread that calls, since all sides compute in that thread and
wait for nothing; the vault's rows, which wait for the disk, are by the clock on the wall. The medians are of the turns'
time per call; the ratio is the peer's median divided by ours, more than 1 meaning that strongroom is faster; its spread
is that of the ratios in single rounds. The times are this machine's; the ratios are what is claimed. A row without a
target tells, and promises nothing.
"""

NOTES = {
    "Python": """The `Keyring` writes sealed v1: XAES-256-GCM under a random 24-byte nonce, as base64url. `AESGCM` of
`cryptography` is OpenSSL on raw bytes: no text, no key id, and a 12-byte nonce. A `Vault` commits a version, a MAC and
an audit event with every `set`, and an audit event with every `get`; the table beside it holds a name and a Fernet
token, and writes nothing when it is read.""",
    "Node": """`node:crypto` is AES-256-GCM with a 16-byte IV, base64 of IV, tag and ciphertext, as bots write it,
the key in a `Buffer`: text in, text out. Node 24.21 makes two errors with their stacks on every call whose key is no
`KeyObject`; the same code is therefore measured with one, too, and has to be beaten in both. `npm fernet` is JavaScript
throughout.""",
}


class Row(NamedTuple):
    """One comparison, judged."""

    operation: str
    size: str
    ours: str
    peer: str
    calls: str
    our_median: float
    peer_median: float
    ratio: float
    lowest: float
    highest: float
    target: float | None

    @property
    def missed(self) -> bool:
        """Whether there is a target that the ratio does not reach."""
        return self.target is not None and self.ratio < self.target


def rows_of(results: dict[str, Any]) -> list[Row]:
    """The comparisons of a language, in the order in which it ran them."""
    rows = []
    for contest in results["contests"]:
        for pair in contest["comparisons"]:
            ours, peer = contest["rounds"][pair["ours"]], contest["rounds"][pair["peer"]]
            ratios = [theirs / own for own, theirs in zip(ours, peer, strict=True)]
            counts = [contest["calls"][pair[side]] for side in ("peer", "ours")]
            rows.append(
                Row(
                    operation=contest["operation"],
                    size=contest["size"],
                    ours=pair["ours"],
                    peer=pair["peer"],
                    calls=" / ".join(f"{count:,}" for count in dict.fromkeys(counts)),
                    our_median=median(ours),
                    peer_median=median(peer),
                    ratio=median(peer) / median(ours),
                    lowest=min(ratios),
                    highest=max(ratios),
                    target=pair["target"],
                )
            )
    return rows


def section(results: dict[str, Any], rows: list[Row]) -> str:
    """A language's part of the page."""
    language, versions = results["language"], results["versions"]
    lines = [
        f"## {language}",
        "",
        f"{', '.join(f'{name} {version}' for name, version in versions.items())}. Load average at the end: "
        f"{results['load']:.1f}.",
        "",
        "| operation | size | ours | peer | calls | peer median | our median | ratio | spread | target | met |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        target, met = ("", "") if row.target is None else (f"{row.target:g}x", "no" if row.missed else "yes")
        spread = f"{times(row.lowest)}-{times(row.highest)}"
        lines.append(
            f"| {row.operation} | {row.size} | {row.ours} | {row.peer} | {row.calls} | {duration(row.peer_median)} "
            f"| {duration(row.our_median)} | **{times(row.ratio)}x** | {spread} | {target} | {met} |"
        )
    return "\n".join([*lines, "", NOTES[language], ""])


def duration(nanoseconds: float) -> str:
    """A time in the unit that suits it."""
    for unit, length in (("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= length:
            return f"{nanoseconds / length:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


def times(ratio: float) -> str:
    """A ratio in short. Rounded down: a target that is missed never looks met."""
    return f"{floor(ratio * 10) / 10:.1f}" if ratio >= 1 else f"{ratio:.2g}"


def machine() -> str:
    """What it ran on, in words."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, StopIteration, KeyError):
        model, system = platform.processor() or platform.machine(), platform.system()
    return f"{model}, {os.cpu_count()} cores, {system}, {platform.machine()}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a target is missed")
    parser.add_argument("page", type=Path)
    parser.add_argument("results", type=Path, nargs="+")
    arguments = parser.parse_args()

    languages = [json.loads(path.read_text()) for path in arguments.results]
    judged = [(results, rows_of(results)) for results in languages]
    rounds = {len(turns) for results in languages for each in results["contests"] for turns in each["rounds"].values()}
    head = HEAD.format(
        machine=machine(),
        when=datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        rounds=" or ".join(str(number) for number in sorted(rounds)),
    )
    sections = [section(results, rows) for results, rows in judged]
    arguments.page.write_text("\n".join([head, *sections]))
    print("\n".join(sections))

    missed = [(results["language"], row) for results, rows in judged for row in rows if row.missed]
    for language, row in missed:
        print(
            f"missed: {language} {row.ours} {row.operation} at {row.size}: {row.ratio:.2f}x, not {row.target:g}x",
            file=sys.stderr,
        )
    return 1 if missed and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
