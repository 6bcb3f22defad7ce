"""What a page of a list costs, at its beginning and at its end, in a store of few secrets and of many.

    PYTHONPATH=tests python -m load.pages cluster --secrets 1000 1000000

The records are as the storage contract has them and hold no value: what is measured is the store. It must be empty.
"""

from __future__ import annotations

import argparse
import json
import secrets
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from strongroom.stores import Store

from load.stores import open_store, served
from load.work import place

COMMIT = 5000
"""How many secrets one commit makes."""
PAGE = 250
ENDS = 20
"""How many pages at each end of a list are looked at."""
TIMES = 5
"""How often each of these is read; the fastest time counts, what else the machine does is no cost of a page."""
DATA = json.dumps({"versions": [], "sensitivity": "standard", "text": "x" * 400})


def grow(store: Store, numbers: range) -> None:
    """Makes the secrets of these numbers."""
    for start in range(numbers.start, numbers.stop, COMMIT):
        puts = [
            {"record": _record(number), "expected": "absent", "index": {"due_at": number % 100_000}}
            for number in range(start, min(start + COMMIT, numbers.stop))
        ]
        parts: dict[str, Any] = {"deletes": [], "checks": [], "counters": [], "events": []}
        answer = store.commit({"operation_id": secrets.token_hex(16), "puts": puts, **parts})
        if answer != "committed":
            raise SystemExit(f"the store is not empty: {answer}")


def _record(number: int) -> dict[str, Any]:
    namespace, name = place(number)
    columns = {"uid": f"{number:032x}", "state": "active", "version": 1, "value_encrypted": "sr1." + "x" * 140}
    key = {"kind": "secret", "namespace": namespace, "name": name}
    return {"key": key, "revision": 1, "columns": columns, "data": DATA, "mac": "ab" * 32}


def measure(store: Store, count: int) -> dict[str, Any]:
    """In milliseconds: the first pages of each list, the last ones, and one in the middle of all, by its key."""
    lists: dict[str, dict[str, Any]] = {
        "list": {"kind": "secret", "namespace": None, "limit": PAGE},
        "due": {"kind": "secret", "namespace": None, "limit": PAGE, "by": {"due": 2**53 - 1}},
    }
    told: dict[str, Any] = {"secrets": count}
    for name, query in lists.items():
        cursors = [*_cursors(store, query)]
        reads = [partial(store.list, query, cursor) for cursor in cursors]
        # The last one may hold less than a page.
        first, last = _fastest(reads[:ENDS]), _fastest(reads[:-1][-ENDS:] or reads)
        told[name] = {
            "pages": len(cursors),
            "first_ms": first,
            "last_ms": last,
            "last_to_first": round(last / first, 2),
        }
    keys = [_record(number)["key"] for number in range(count // 2, min(count // 2 + ENDS, count))]
    told["load_ms"] = _fastest([partial(store.load, [key]) for key in keys])
    return told


def _cursors(store: Store, query: dict[str, Any]) -> Iterator[str | None]:
    """Where each page of a list begins."""
    cursor = None
    while True:
        page = store.list(query, cursor)
        if page["items"] or cursor is None:
            yield cursor
        cursor = page["cursor"]
        if cursor is None:
            return


def _fastest(reads: Sequence[Callable[[], Any]]) -> float:
    """The median of some reads, each at its fastest, in milliseconds."""
    return round(statistics.median(min(_time(read) for _ in range(TIMES)) for read in reads) * 1000, 2)


def _time(read: Callable[[], Any]) -> float:
    started = time.perf_counter()
    read()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(prog="load.pages", description="Measures what pages of lists cost.")
    parser.add_argument("store", help="as for load; empty")
    parser.add_argument(
        "--secrets", type=int, nargs="+", default=[1000, 1_000_000], metavar="N", help="one after the other"
    )
    told = parser.parse_args()
    made, figures = 0, []
    with served(told.store) as (spec, _), open_store(spec) as store:
        for count in sorted(told.secrets):
            started = time.monotonic()
            grow(store, range(made, count))
            made = count
            print(f"==> {count} secrets, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
            figures.append(measure(store, count))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
