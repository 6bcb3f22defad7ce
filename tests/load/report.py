"""What a run came to, for people and as JSON."""

from __future__ import annotations

from typing import Any

from load.history import Line
from load.run import Options, Outcome


def report(options: Options, outcome: Outcome) -> dict[str, Any]:
    """Everything that is told of a run, as JSON has it."""
    return {
        # A URL may carry a password.
        "store": options.store.split("@")[-1],
        "processes": options.processes,
        "hosts": [*options.hosts],
        "secrets": options.secrets,
        "value_bytes": options.value_bytes,
        "seed": options.seed,
        "populated_seconds": round(outcome.populated, 2),
        "phases": [
            {"secrets": phase.secrets, "seconds": round(span, 2), **figures(lines, span)}
            for phase, span, lines in zip(options.phases, outcome.spans, outcome.lines, strict=True)
        ],
        "conflicts": outcome.conflicts,
        "cuts": outcome.cuts,
        "unknown_ends": outcome.unknown,
        "events": outcome.events,
        "histories": outcome.histories,
        "operations": outcome.operations,
        "errors": outcome.errors,
        "violations": [vars(violation) for violation in outcome.violations],
        "ok": is_good(outcome),
    }


def is_good(outcome: Outcome) -> bool:
    return not outcome.errors and not outcome.violations


def figures(lines: list[Line], seconds: float) -> dict[str, Any]:
    """How many operations a second, and how long they took, in total and by kind."""
    by_kind: dict[str, list[int]] = {}
    for line in lines:
        by_kind.setdefault(line.kind, []).append(line.end - line.start)
    everything = [latency for latencies in by_kind.values() for latency in latencies]
    return {
        **_figure(everything, seconds),
        "kinds": {kind: _figure(latencies, seconds) for kind, latencies in sorted(by_kind.items())},
    }


def _figure(latencies: list[int], seconds: float) -> dict[str, Any]:
    ordered = sorted(latencies)

    def at(share: float) -> float:
        return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)] / 1e6, 2) if ordered else 0.0

    return {
        "operations": len(ordered),
        "per_second": round(len(ordered) / seconds, 1),
        "p50_ms": at(0.5),
        "p99_ms": at(0.99),
    }


def show(told: dict[str, Any]) -> str:
    """The same as text."""
    out = [
        f"{told['store']}: {told['processes']} processes ({', '.join(told['hosts'])}), "
        f"{told['secrets']} secrets made in {told['populated_seconds']} s",
    ]
    for phase in told["phases"]:
        out.append(f"\n{phase['seconds']} s on {phase['secrets']} secrets")
        out.append(f"  {'':10} {'operations':>10} {'a second':>9} {'p50 ms':>9} {'p99 ms':>9}")
        for kind, figure in [*phase["kinds"].items(), ("all", phase)]:
            count, rate = figure["operations"], figure["per_second"]
            out.append(f"  {kind:10} {count:>10} {rate:>9} {figure['p50_ms']:>9} {figure['p99_ms']:>9}")
    out.append(f"\nconflicts: {told['conflicts']}, which the vault tried again")
    out.append(
        f"history: {told['operations']} operations on {told['histories']} secrets; {told['events']} events verified"
    )
    if told["cuts"] or told["unknown_ends"]:
        out.append(f"cuts: {told['cuts']}; operations whose end nobody knows: {told['unknown_ends']}")
    out += [f"ERROR {error}" for error in told["errors"]]
    for violation in told["violations"]:
        out.append(f"VIOLATION {violation['name']}: {violation['why']}")
        out += [f"    {line}" for line in violation["history"]]
        out.append(f"  > {violation['operation']}")
    out.append("every answer is explained" if told["ok"] else "NOT explained: see above")
    return "\n".join(out)
